-- Loaded by busted before any spec: paths, and where outside data may be found.
local helper = {}

--- Folder with reference event logs; specs that need it are pending where it is absent.
helper.data = os.getenv("WAYPROOF_DATA") or "../shared/data"

--- Path of a reference file, or nil and the reason to show.
function helper.data_file(name)
  local path = helper.data .. "/" .. name
  local file = io.open(path, "rb")
  if not file then
    return nil, "reference data not found: set WAYPROOF_DATA to the folder with " .. name
  end
  file:close()
  return path
end

package.loaded["spec.helper"] = helper
if os.getenv "WAYPROOF_STORED" then dofile "spec/stored.lua" end
return helper

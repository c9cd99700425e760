-- With WAYPROOF_STORED=1 (make stored) every log that a spec reads is saved, and what the spec gets
-- is the file, opened: read part by part by every analysis that can do without the rows. The build
-- has parts of 64 users, so that small logs have many.
local core = require "wayproof.core"
local wp = require "wayproof"

local files = setmetatable({}, { __gc = function(list)
  for _, path in ipairs(list) do os.remove(path) end
end })
_G["files of stored logs"] = files -- collected when the state closes

core.store.scan_parts(1, 0)
for _, name in ipairs { "read_csv", "read_rows", "read_sqlite" } do
  local read = wp[name]
  wp[name] = function(...)
    local log, message, code = read(...)
    if not log then return nil, message, code end
    local path = os.tmpname()
    os.remove(path)
    files[#files + 1] = path
    assert(log:save(path))
    log:close()
    return assert(wp.open(path))
  end
end

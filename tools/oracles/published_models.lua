-- Published figures of models on data sets that R packages ship (survival, sandwich, MASS,
-- datasets): lua5.4 tools/oracles/published_models.lua. The data are read from R at run time and
-- not stored here; without R or a package the script says so and exits 0. Exits 1 when a figure
-- differs.
package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
package.cpath = (os.getenv("WAYPROOF_BUILD") or "build/release") .. "/?.so;" .. package.cpath
local stats = require "wayproof.stats"

local checked, differ = 0, 0

local function same(what, expected, found, tolerance)
  checked = checked + 1
  local size = math.max(1e-3, math.abs(expected))
  if found and math.abs(found - expected) <= (tolerance or 1e-6) * size then return end
  differ = differ + 1
  print(string.format("  %s: %s, expected %.12g", what, tostring(found), expected))
end

-- Columns of an R expression that gives a data frame of numbers, or nil.
local function columns(expression)
  local path = os.tmpname()
  local script = string.format("suppressMessages(write.csv(%s, '%s', row.names = FALSE, na = ''))",
    expression, path)
  local fine = os.execute(string.format("Rscript --vanilla -e \"%s\" >/dev/null 2>&1", script))
  local file = fine and io.open(path)
  if not file then
    os.remove(path)
    return nil
  end
  local names, out, n = {}, {}, 0
  for name in file:read("l"):gmatch('"([^"]*)"') do
    names[#names + 1], out[name] = name, {}
  end
  for line in file:lines() do
    local place = 0
    n = n + 1
    for word in (line .. ","):gmatch("([^,]*),") do
      place = place + 1
      out[names[place]][n] = tonumber(word)
    end
  end
  file:close()
  os.remove(path)
  for _, name in ipairs(names) do out[name].n = n end
  return out
end

local function with(name, expression, check)
  local data = columns(expression)
  if not data then
    print(name .. ": skipped, R or its package is missing")
    return
  end
  check(data)
end

with("lung", "with(survival::lung, data.frame(time, status = status - 1, age, sex, ph = ph.ecog, "
  .. "inst))",
  function(d)
    local age = stats.cox({ d.age }, d.time, d.status)
    same("lung age", 0.018720179, age.coefficients[1].estimate)
    same("lung age se", 0.009199207, age.coefficients[1].se)
    same("lung null", -749.909801390, age.null_loglik, 1e-9)
    same("lung age loglik", -747.789352208, age.loglik, 1e-9)
    same("lung age score", 4.15387532578, age.score.statistic)
    local two = stats.cox({ d.age, d.sex }, d.time, d.status)
    same("lung efron age", 0.01704533185, two.coefficients[1].estimate)
    same("lung efron sex", -0.51321851711, two.coefficients[2].estimate)
    same("lung efron se", 0.167457962356, two.coefficients[2].se)
    local breslow = stats.cox({ d.age, d.sex }, d.time, d.status, { ties = "breslow" })
    same("lung breslow age", 0.0170128892, breslow.coefficients[1].estimate)
    local three = stats.cox({ d.age, d.sex, d.ph }, d.time, d.status, { zph = true })
    same("lung ph.ecog", 0.463728475, three.coefficients[3].estimate)
    same("lung zph", 4.463658, three.zph.global.statistic)
    same("lung zph p", 0.21555, three.zph.global.p, 1e-4)
    local known = {}
    for i = 1, d.ph.n do known[i] = d.ph[i] and d.age[i] or 0 / 0 end
    known.n = d.ph.n
    local test = stats.likelihood_ratio(stats.cox({ known, d.sex }, d.time, d.status), three)
    same("lung nested", 16.62444, test.statistic)
    local robust = stats.cox({ d.age, d.sex }, d.time, d.status, { clusters = d.inst })
    same("lung cluster age", 0.01703349597, robust.coefficients[1].estimate)
    same("lung cluster se", 0.007327393094, robust.coefficients[1].se)
    same("lung cluster se sex", 0.128230601685, robust.coefficients[2].se)
    same("lung log-rank", 10.3267419549, stats.log_rank(d.time, d.status, d.sex).statistic, 1e-9)
    same("lung Peto", 12.7141514012,
      stats.log_rank(d.time, d.status, d.sex, nil, { rho = 1 }).statistic, 1e-9)
    same("lung stratified", 10.79505963, stats.log_rank(d.time, d.status, d.sex, d.ph).statistic)
    local km = stats.kaplan_meier(d.time, d.status)
    same("lung median", 310, km.median.estimate)
    same("lung median low", 285, km.median.low)
    same("lung median high", 363, km.median.high)
    same("lung S(180)", 0.721671, km:at(180).estimate)
    same("lung S(365)", 0.409242, km:at(365).estimate)
    local c = stats.concordance(d.age, d.time, d.status)
    same("lung concordant", 10717, c.concordant)
    same("lung discordant", 8706, c.discordant)
    same("lung tied", 591, c.tied_score)
    local risk = { n = d.age.n }
    for i = 1, risk.n do
      risk[i] = two.coefficients[1].estimate * d.age[i] + two.coefficients[2].estimate * d.sex[i]
    end
    same("lung C", 0.6028530029, stats.concordance(risk, d.time, d.status).estimate)
    same("lung Uno", 0.5960454948,
      stats.concordance(risk, d.time, d.status, { method = "uno" }).estimate)
  end)

with("jasa", "with(survival::jasa, data.frame(futime, status = fustat, tx = transplant, "
  .. "wait = ifelse(is.na(wait.time), 1e6, wait.time)))", function(d)
  local naive = stats.cox({ d.tx }, d.futime, d.status)
  same("jasa naive", 0.2662166446, naive.coefficients[1].ratio)
  for landmark, expected in pairs { [30] = { 78, 0.9150458666 }, [60] = { 63, 0.7740022544 },
    [90] = { 51, 0.5731008201 } } do
    local time, status, tx = {}, {}, {}
    for i = 1, d.futime.n do
      if d.futime[i] > landmark then
        local k = #time + 1
        time[k], status[k] = d.futime[i] - landmark, d.status[i]
        tx[k] = d.wait[i] <= landmark and 1 or 0
      end
    end
    local fit = stats.cox({ tx }, time, status)
    same("jasa n at " .. landmark, expected[1], fit.n)
    same("jasa landmark " .. landmark, expected[2], fit.coefficients[1].ratio)
  end
end)

with("PetersenCL", "{ data('PetersenCL', package = 'sandwich'); PetersenCL }", function(d)
  local plain = stats.linear({ d.x }, d.y)
  same("Petersen intercept", 0.02967972073, plain.coefficients[1].estimate)
  same("Petersen slope", 1.03483343946, plain.coefficients[2].estimate)
  same("Petersen se", 0.02858328779, plain.coefficients[2].se)
  same("Petersen firm", 0.05059572588,
    stats.linear({ d.x }, d.y, { clusters = d.firm }).coefficients[2].se)
  same("Petersen year", 0.03338891341,
    stats.linear({ d.x }, d.y, { clusters = d.year }).coefficients[2].se)
end)

with("infert", "datasets::infert[, c('case', 'spontaneous', 'induced', 'stratum')]", function(d)
  local fit = stats.logistic({ d.spontaneous, d.induced }, d.case, { clusters = d.stratum })
  same("infert intercept", -1.707860071, fit.coefficients[1].estimate)
  same("infert spontaneous", 1.197205035, fit.coefficients[2].estimate)
  same("infert induced", 0.418129395, fit.coefficients[3].estimate)
  -- The published errors are HC0 without any small-sample factor.
  local factor = math.sqrt(83 / 82 * 247 / 245)
  same("infert se", 0.2083398750 * factor, fit.coefficients[2].se)
end)

with("birthwt", "with(MASS::birthwt, data.frame(low, age, lwt, r2 = 1 * (race == 2), "
  .. "r3 = 1 * (race == 3), smoke))", function(d)
  local small = stats.logistic({ d.age, d.lwt }, d.low)
  local large = stats.logistic({ d.age, d.lwt, d.r2, d.r3, d.smoke }, d.low)
  for i, expected in ipairs { -0.02247827987, -0.01252566402, 1.23167137307, 0.94326265328,
    1.05443864781 } do
    same("birthwt " .. i, expected, large.coefficients[i + 1].estimate)
  end
  same("birthwt deviance", 214.5772345, large.deviance, 1e-9)
  same("birthwt null deviance", 234.6719962, large.null_deviance, 1e-9)
  local test = stats.likelihood_ratio(small, large)
  same("birthwt nested", 12.5461539, test.statistic)
  same("birthwt df", 3, test.df)
end)

print(string.format("published models: %d figures checked, %d differ", checked, differ))
os.exit(differ == 0 and 0 or 1)

# Ranks, tables, pooling, multiplicity and power by R, on random inputs with ties and zero cells,
# for spec/stats_oracle_spec.lua. Needs pROC and metafor. Prints a Lua table; inputs are part of it.
suppressMessages({ library(pROC); library(metafor) })
RNGkind("Mersenne-Twister", "Inversion", "Rejection"); set.seed(20240301)

number <- function(x) {
  stopifnot(all(is.finite(x)))
  sprintf("%.17g", x)
}
lua <- function(x) {
  if (is.list(x)) {
    names <- names(x)
    keys <- if (is.null(names)) "" else paste0(names, " = ")
    return(paste0("{ ", paste0(keys, sapply(x, lua), collapse = ", "), " }"))
  }
  if (is.character(x)) return(dQuote(x, FALSE))
  if (length(x) == 1) return(number(x))
  paste0("{ ", paste(number(x), collapse = ", "), " }")
}
column <- function(x) as.list(unname(x))

rank_case <- function(n, ties) {
  x <- if (ties) rpois(n, 3) else round(rnorm(n), 6)
  z <- if (ties) rpois(n, 2) + (x > 3) else round(rnorm(n) + 0.4 * x, 6)
  y <- rbinom(n, 1, plogis(-0.4 + 0.5 * as.numeric(scale(x))))
  y[1:4] <- c(0, 1, 0, 1)
  a <- roc(y, x, direction = "<", levels = c(0, 1), quiet = TRUE)
  b <- roc(y, z, direction = "<", levels = c(0, 1), quiet = TRUE)
  test <- roc.test(a, b, method = "delong", paired = TRUE)
  s <- suppressWarnings(cor.test(x, z, method = "spearman", exact = FALSE))
  k <- suppressWarnings(cor.test(x, z, method = "kendall", exact = if (ties) FALSE else NULL))
  rho <- as.numeric(s$estimate)
  t <- rho * sqrt((n - 2) / (1 - rho^2))
  list(x = column(x), z = column(z), y = column(y),
       auc = as.numeric(auc(a)), variance = var(a, method = "delong"),
       wald = column(as.numeric(ci.auc(a, method = "delong"))[c(1, 3)]),
       compare_z = as.numeric(test$statistic), compare_p = test$p.value, covariance = cov(a, b),
       rho = rho, rho_p = 2 * pt(-abs(t), n - 2),
       tau = as.numeric(k$estimate), tau_p = k$p.value,
       quantiles = column(as.numeric(quantile(x, c(0, 0.05, 0.33, 0.5, 0.9, 1)))))
}

table_case <- function(strata, zero) {
  t <- array(rpois(4 * strata, c(12, 7, 9, 14)), c(2, 2, strata))
  if (zero) t[1, 1, 1] <- 0
  plain <- mantelhaen.test(t, correct = FALSE)
  corrected <- mantelhaen.test(t, correct = TRUE)
  m <- rma.mh(ai = t[1, 1, ], bi = t[1, 2, ], ci = t[2, 1, ], di = t[2, 2, ], measure = "OR",
              correct = FALSE)
  list(tables = lapply(seq_len(strata), function(k) column(as.vector(base::t(t[, , k])))),
       odds_ratio = as.numeric(plain$estimate), low = plain$conf.int[1], high = plain$conf.int[2],
       statistic = as.numeric(corrected$statistic), p = corrected$p.value,
       uncorrected = as.numeric(plain$statistic), se = m$se, q = m$QE, breslow_day = m$BD,
       tarone = m$TA)
}

two_by_two <- function(big) {
  t <- matrix(rpois(4, c(5, 9, 14, 6) * big), 2, byrow = TRUE) + 1
  x <- suppressWarnings(chisq.test(t, correct = FALSE))
  list(cells = column(as.vector(base::t(t))), chi_square = as.numeric(x$statistic), p = x$p.value,
       fisher = fisher.test(t)$p.value)
}

pool_case <- function(k) {
  v <- rexp(k) * 0.1 + 0.01
  y <- rnorm(k, 0.3, sqrt(v + 0.05))
  control <- list(threshold = 1e-14, maxiter = 10000, stepadj = 0.5)
  dl <- rma(y, v, method = "DL"); fe <- rma(y, v, method = "FE")
  reml <- rma(y, v, method = "REML", control = control)
  list(y = column(y), se = column(sqrt(v)), q = dl$QE, p = dl$QEp, tau2_dl = dl$tau2,
       i2_dl = dl$I2, estimate_dl = as.numeric(dl$beta), se_dl = dl$se,
       fixed = as.numeric(fe$beta), fixed_se = fe$se, tau2_reml = reml$tau2, i2_reml = reml$I2,
       estimate_reml = as.numeric(reml$beta), se_reml = reml$se)
}

trend_case <- function(k) {
  n <- rpois(k, 60) + 1
  r <- rbinom(k, n, seq(0.2, 0.5, length.out = k))
  score <- sort(rexp(k))
  list(events = column(r), totals = column(n), scores = column(score),
       statistic = as.numeric(suppressWarnings(prop.trend.test(r, n, score))$statistic),
       total = as.numeric(suppressWarnings(prop.test(r, n))$statistic))
}

adjust_case <- function(m) {
  p <- round(runif(m)^2, 4)
  out <- list(p = column(p))
  for (name in c("bonferroni", "holm", "hochberg", "BH", "BY"))
    out[[tolower(name)]] <- column(p.adjust(p, name))
  out
}

proportion_case <- function(k, n, level) {
  w <- suppressWarnings(prop.test(k, n, correct = FALSE, conf.level = level))$conf.int
  e <- binom.test(k, n, conf.level = level)$conf.int
  list(k = k, n = n, level = level, wilson = column(c(w)), exact = column(c(e)))
}

isotonic_case <- function(n) {
  y <- round(rnorm(n, seq(0, 1.5, length.out = n)), 2)
  list(y = column(y), fitted = column(isoreg(y)$yf))
}

calibration_case <- function(n) {
  l <- rnorm(n); p <- plogis(l); y <- rbinom(n, 1, plogis(0.3 + 0.7 * l))
  control <- glm.control(epsilon = 1e-15, maxit = 100)
  both <- glm(y ~ qlogis(p), family = binomial, control = control)
  large <- glm(y ~ offset(qlogis(p)), family = binomial, control = control)
  list(p = column(p), y = column(y), brier = mean((p - y)^2), intercept = unname(coef(both)[1]),
       slope = unname(coef(both)[2]), slope_se = sqrt(vcov(both)[2, 2]),
       in_the_large = unname(coef(large)), in_the_large_se = sqrt(vcov(large)[1, 1]))
}

power_cases <- list(
  proportions = lapply(list(c(40, 0.1, 0.3), c(500, 0.02, 0.05), c(90, 0.6, 0.5)), function(a) {
    list(n = a[1], p1 = a[2], p2 = a[3],
         power = power.prop.test(n = a[1], p1 = a[2], p2 = a[3])$power,
         needed = power.prop.test(p1 = a[2], p2 = a[3], power = 0.9, tol = 1e-13)$n)
  }),
  auc = lapply(list(c(0.62, 2), c(0.8, 1), c(0.55, 5)), function(a) {
    list(auc = a[1], ratio = a[2],
         needed = power.roc.test(auc = a[1], kappa = a[2], power = 0.8, sig.level = 0.05)$ncases,
         power = power.roc.test(auc = a[1], ncases = 60, ncontrols = 60 * a[2],
                                sig.level = 0.05)$power)
  }))

result <- list(
  ranks = c(lapply(c(9, 25, 60, 150), rank_case, ties = FALSE),
            lapply(c(9, 25, 60, 150), rank_case, ties = TRUE)),
  tables = c(lapply(c(2, 5, 12), table_case, zero = FALSE), list(table_case(4, TRUE))),
  two_by_two = lapply(c(1, 1, 2, 40), two_by_two),
  pools = lapply(c(2, 5, 13, 40), pool_case),
  trends = lapply(c(3, 5, 10), trend_case),
  adjust = lapply(c(1, 6, 40), adjust_case),
  proportions = list(proportion_case(0, 10, 0.95), proportion_case(10, 10, 0.95),
                     proportion_case(3, 20, 0.95), proportion_case(1, 5000, 0.99),
                     proportion_case(412, 977, 0.9), proportion_case(1, 1, 0.95)),
  isotonic = lapply(c(4, 12, 30), isotonic_case),
  calibration = lapply(c(60, 200), calibration_case),
  power = power_cases)
for (name in names(result)) {
  text <- strwrap(paste0(name, " = ", lua(result[[name]]), ","), width = 98, exdent = 2)
  result[[name]] <- paste0("  ", text, collapse = "\n")
}
cat("return {\n", paste(unlist(result), collapse = "\n"), "\n}\n", sep = "")

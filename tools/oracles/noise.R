# What is left of an effect when activity is measured badly, from structural equation models with a
# latent activity (lavaan 0.6), for spec/noise_oracle_spec.lua. Prints a Lua table.
suppressMessages(library(lavaan))
RNGkind("Mersenne-Twister", "Inversion", "Rejection"); set.seed(20261124)
number <- function(name, x) cat(sprintf("    %s = %.15g,\n", name, x))

# The coefficient of x beside w and an activity that z measures with reliability rho, given w.
latent <- function(d, rho) {
  n <- nrow(d)
  noise <- (1 - rho) * sum(resid(lm(z ~ w, d))^2) / n
  model <- sprintf("e =~ 1*z\n z ~~ %.17g*z\n e ~ w\n x ~ w\n e ~~ x\n y ~ e + x + w", noise)
  fit <- sem(model, d, meanstructure = TRUE, fixed.x = TRUE,
             control = list(rel.tol = 1e-14, x.tol = 1e-10, iter.max = 5000))
  stopifnot(lavInspect(fit, "converged"))
  coef(fit)[["y~x"]]
}

cat("return {\n")
for (case in list(c(0.7, 0.5, 0.3), c(0.4, 0.2, 0.6), c(-0.5, 0.6, 0.4), c(0.6, 0.5, 0))) {
  n <- 300
  w <- round(rnorm(n), 3)
  e <- 0.4 * w + rnorm(n)
  z <- round(e + rnorm(n, 0, 0.6), 3)
  x <- round(case[1] * e + 0.2 * w + rnorm(n), 3)
  d <- data.frame(w, z, x, y = round(case[2] * e + case[3] * x - 0.3 * w + rnorm(n), 3))
  fit <- lm(y ~ w + z + x, d)
  v <- vcov(fit)
  rz <- resid(lm(z ~ w, d)); rx <- resid(lm(x ~ w, d))
  cat("  {\n")
  number("beta_x", coef(fit)[["x"]]); number("beta_z", coef(fit)[["z"]])
  number("v_xx", v["x", "x"]); number("v_xz", v["x", "z"]); number("v_zz", v["z", "z"])
  number("s_x", sd(rx)); number("s_z", sd(rz)); number("r", cor(rz, rx))
  reliabilities <- c(0.4, 0.5, 0.7, 0.9, 1)
  reliabilities <- reliabilities[reliabilities > cor(rz, rx)^2 + 0.05]
  cat("    corrected = {\n")
  for (rho in reliabilities) {
    beta <- latent(d, rho)
    along <- c(1, (beta - coef(fit)[["x"]]) / coef(fit)[["z"]]) # of x and z
    se <- sqrt(drop(along %*% v[c("x", "z"), c("x", "z")] %*% along))
    cat(sprintf("      { %.15g, %.15g, %.15g },\n", rho, beta, se))
  }
  cat("    },\n")
  # Where nothing is left, if anywhere between what is identified and 1.
  low <- cor(rz, rx)^2 + 0.01
  ends <- c(latent(d, low), latent(d, 1))
  if (prod(sign(ends)) < 0)
    number("tolerance", uniroot(function(rho) latent(d, rho), c(low, 1), tol = 1e-10)$root)
  cat("  },\n")
}
cat("}\n")

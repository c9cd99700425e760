# Figures of the judge's fits (lua/wayproof/fit.lua, gram.lua) from R 4.2 (stats, survival 3.5,
# sandwich 3.0), for spec/fit_oracle_spec.lua. Prints a Lua table; the inputs are part of it.
suppressMessages({ library(survival); library(sandwich) })
options(warn = -1)
RNGkind("Mersenne-Twister", "Inversion", "Rejection"); set.seed(20261123)
wrapped <- function(name, x) {
  cat("  ", name, " = {\n", sep = "")
  cat(paste0("    ", strwrap(paste(sprintf("%.15g", x), collapse = ", "), 90)), sep = "\n")
  cat("  },\n")
}

n <- 90
d <- data.frame(a = round(rnorm(n), 3), b = rpois(n, 2), c = round(rexp(n)^2, 3))
d$y <- rbinom(n, 1, plogis(-1.6 + 0.7 * d$a))
some <- rbinom(n, 1, plogis(-0.3 + 0.4 * d$a))
d$money <- some * round(exp(rnorm(n, 2 + 0.3 * d$a, 1.1)), 2)
d$time <- sample(1:25, n, TRUE); d$status <- rbinom(n, 1, 0.4)
cat("return {\n")
for (v in names(d)) wrapped(v, d[[v]])

# Slopes of b + a/3 + c^(1/2) on a list with a constant and a combination of earlier columns; what
# lm leaves out (NA) has none.
x <- d$b + d$a / 3 + sqrt(d$c)
list <- cbind(a = d$a, one = 4, c = d$c, both = 2 * d$a - d$c, b = d$b, again = d$b)
slopes <- unname(coef(lm(x ~ list))[-1]); slopes[is.na(slopes)] <- 0
wrapped("slopes", slopes)
wrapped("slopes_first", unname(coef(lm(x ~ d$a))[2]))

# Poisson regression of amounts: HC2 covariances, and the degrees of freedom of the variance
# V = sum(psi^2) of an estimate written out as Satterthwaite has them: 2 V^2 / var(V) with
# var(V) = sum(psi^4) - V^2 / n (that of a sum of n squares, from the squares themselves).
tight <- glm.control(epsilon = 1e-14, maxit = 100)
f <- glm(money ~ a + b + c, poisson, d, control = tight)
hc2 <- vcovHC(f, type = "HC2")
X <- model.matrix(f); mu <- fitted(f); inverse <- solve(t(X) %*% (X * mu))
leverage <- mu * rowSums((X %*% inverse) * X)
psi <- (X %*% inverse) * ((d$money - mu) / sqrt(1 - leverage))
stopifnot(max(abs(crossprod(psi) / hc2 - 1)) < 1e-9)
V <- colSums(psi^2)
df <- pmin(n - 4, 2 * V^2 / (colSums(psi^4) - V^2 / n))
wrapped("poisson", coef(f))
wrapped("poisson_hc2", as.vector(hc2))
wrapped("poisson_df", df)
wrapped("poisson_se", sqrt(diag(hc2)) * qt(0.975, df) / qnorm(0.975))
wrapped("poisson_p", 2 * pt(-abs(coef(f)) / sqrt(diag(hc2)), df))

# A user with a column of their own, who has amounts: the others are as without that user.
first <- which(d$money > 0)[1]
others <- vcovHC(glm(money ~ a + b, poisson, d[-first, ], control = tight), type = "HC2")
wrapped("alone", c(first, others[2, 2], others[2, 3], others[3, 3]))

# More than 200 users for each term: leverages are not looked at (HC0).
i <- 1:600; many <- data.frame(x = (i * 37) %% 101 / 20, y = (i * i) %% 17 + (i * 37) %% 101 / 10)
wrapped("many", sqrt(vcovHC(glm(y ~ x, poisson, many, control = tight), type = "HC0")[2, 2]))

# Firth's penalty to the end: the solution of the modified score.
F <- model.matrix(~ a + b + c, d)
score <- function(beta) {
  p <- as.vector(plogis(F %*% beta)); W <- p * (1 - p); I <- t(F) %*% (F * W)
  h <- W * rowSums((F %*% solve(I)) * F)
  list(as.vector(t(F) %*% (d$y - p + h * (0.5 - p))), I)
}
beta <- rep(0, 4)
for (k in 1:500) { s <- score(beta); beta <- beta + solve(s[[2]], s[[1]]) }
stopifnot(max(abs(score(beta)[[1]])) < 1e-12)
wrapped("firth", c(beta, sqrt(diag(solve(score(beta)[[2]])))))
plain <- glm(y ~ a + b + c, binomial, d, control = tight)
wrapped("logistic", c(coef(plain), sqrt(diag(vcov(plain)))))
# Two steps of it from the ordinary estimates, as the judge takes them.
beta <- coef(plain)
for (k in 1:2) { s <- score(beta); beta <- beta + solve(s[[2]], s[[1]]) }
wrapped("firth_steps", beta)

# Cox regression with its variances times d / (d - k).
cox <- coxph(Surv(time, status) ~ a + b + c, d, control = coxph.control(eps = 1e-13))
events <- sum(d$status)
wrapped("cox", c(coef(cox), sqrt(diag(vcov(cox)) * events / (events - 3))))

# Variance of Spearman's rho with ties, written out as the mean square of what each user adds: the
# derivative of rho in the user's weight, by differences. And the interval that follows.
rho <- function(x, y, w) {
  w <- w / sum(w)
  middle <- function(v) sapply(v, function(at) sum(w[v < at]) + sum(w[v == at]) / 2) - 0.5
  f <- middle(x); g <- middle(y)
  sum(w * f * g) / sqrt(sum(w * f^2) * sum(w * g^2))
}
spread <- function(x, y) {
  adds <- sapply(1:n, function(i) {
    at <- function(h) { w <- rep(1 / n, n); w[i] <- w[i] + h; rho(x, y, w) }
    (at(1e-5) - at(-1e-5)) / 2e-5
  })
  sum(adds^2) / n^2
}
r <- cor(d$b, d$y, method = "spearman"); v <- spread(d$b, d$y)
half <- qnorm(0.975) * sqrt(v * n / (n - 3)) / (1 - r^2)
stopifnot(v / (1 - r^2)^2 * n > 1 + r^2 / 2) # the wider one here
wrapped("spearman", signif(c(r, v, tanh(atanh(r) - half), tanh(atanh(r) + half)), 7))
cat("}\n")

# What an embargo takes from two slopes, and how sure that is (lua/wayproof/leakage.lua), from R 4.2
# (stats only), for spec/leakage_oracle_spec.lua. Prints a Lua table; the inputs are part of it.
RNGkind("Mersenne-Twister", "Inversion", "Rejection"); set.seed(20261124)
wrapped <- function(name, x) {
  cat("  ", name, " = {\n", sep = "")
  cat(paste0("    ", strwrap(paste(sprintf("%.15g", x), collapse = ", "), 90)), sep = "\n")
  cat("  },\n")
}

# Counts of a metric and of other events; outcomes before the landmark, in the embargo, after the
# landmark and after the embargo.
n <- 600
busy <- rnorm(n)
d <- data.frame(metric = rpois(n, exp(0.4 + 0.5 * busy)), volume = rpois(n, exp(2 + 0.6 * busy)))
d$before <- rbinom(n, 1, 0.08)
gap <- rbinom(n, 1, plogis(-2.2 + 0.5 * d$metric))
later <- rbinom(n, 1, plogis(-1.2 + 0.6 * busy))
d$within <- pmax(gap, later); d$after <- later; d$before_after <- pmax(d$before, gap)
cat("return {\n")
for (v in names(d)) wrapped(v, d[[v]])

# Logistic regression on one column with Firth's penalty, by Newton's method on the penalised score.
firth <- function(x, y) {
  X <- cbind(1, x); b <- c(0, 0)
  for (i in 1:200) {
    p <- drop(plogis(X %*% b)); w <- p * (1 - p)
    inverse <- solve(crossprod(X, X * w))
    h <- w * rowSums((X %*% inverse) * X)
    step <- drop(inverse %*% crossprod(X, y - p + h * (0.5 - p)))
    b <- b + step
    if (max(abs(step)) < 1e-13) break
  }
  p <- drop(plogis(X %*% b))
  list(b = b, inverse = solve(crossprod(X, X * (p * (1 - p)))), scores = X * (y - p))
}

# Four such fits as one system of estimating equations, stacked, with a user as the cluster.
risk0 <- which(d$before == 0); risk1 <- which(d$before_after == 0)
x <- scale(log1p(d$metric)); z <- scale(log1p(d$volume))
parts <- list(list(x, "within", risk0), list(x, "after", risk1),
              list(z, "within", risk0), list(z, "after", risk1))
fits <- lapply(parts, function(p) firth(p[[1]][p[[3]]], d[[p[[2]]]][p[[3]]]))
bread <- matrix(0, 8, 8); scores <- matrix(0, n, 8)
for (i in 1:4) {
  k <- 2 * i - 1:0
  bread[k, k] <- fits[[i]]$inverse
  scores[parts[[i]][[3]], k] <- fits[[i]]$scores
}
sandwich <- bread %*% crossprod(scores) %*% bread
slopes <- seq(2, 8, 2)
b <- sapply(fits, function(f) f$b[2]); V <- sandwich[slopes, slopes]

# The delta method with a gradient by central differences.
difference <- function(b) (1 - b[2] / b[1]) - (1 - b[4] / b[3])
gradient <- sapply(1:4, function(i) {
  e <- replace(numeric(4), i, 1e-5 * abs(b[i]))
  (difference(b + e) - difference(b - e)) / (2 * e[i])
})
se <- sqrt(drop(gradient %*% V %*% gradient))
stopifnot(abs(b[3]) > 3 * sqrt(V[3, 3]))
wrapped("slope", c(b[1], sqrt(V[1, 1])))
wrapped("loss", c(1 - b[2] / b[1], 1 - b[4] / b[3]))
wrapped("difference", difference(b) + c(0, -1, 1) * qnorm(0.975) * se)
cat("}\n")

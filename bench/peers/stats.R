# The statistics in R (pROC, glm): Rscript stats.R FILE.csv THREADS [RUNS]
# T11 is left to Python: pROC needs minutes for 1,000 resamples.
suppressPackageStartupMessages(library(pROC))
a <- commandArgs(TRUE); runs <- if (length(a) > 2) as.integer(a[3]) else 3L
d <- if (requireNamespace("data.table", quietly = TRUE)) as.data.frame(data.table::fread(a[1])) else read.csv(a[1])
timed <- function(task, work) {
  s <- numeric(0); for (i in 1:runs) s <- c(s, system.time(r <- work())[[3]])
  cat(sprintf('{"task":"%s","seconds":%.6f,"answer":[%s]}\n', task, median(s), paste(formatC(r, digits = 15, format = "g"), collapse = ",")))
}
timed("T8", function() { r <- roc(d$label, d$score, quiet = TRUE, direction = "<", algorithm = 2); c(as.numeric(auc(r)), sqrt(var(r))) })
timed("T9", function() {
  r <- rank(d$score); n1 <- as.numeric(sum(d$label)); n0 <- nrow(d) - n1
  sums <- replicate(1000, sum(r[sample.int(length(r), n1)])); stopifnot(length(sums) == 1000)
  (sum(r[d$label == 1]) - n1 * (n1 + 1) / 2) / (n1 * n0)
})
timed("T10", function() {
  s <- glm(label ~ c1 + c2 + c3, binomial, d); l <- glm(label ~ c1 + c2 + c3 + score, binomial, d)
  s$deviance - l$deviance
})
m <- tryCatch(readLines("/proc/self/status"), error = function(e) character(0))
cat(sprintf('{"task":"memory","megabytes":%d}\n', as.integer(gsub("[^0-9]", "", c(grep("VmHWM", m, value = TRUE), "0")[1])) %/% 1024L))

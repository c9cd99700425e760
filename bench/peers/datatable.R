# data.table: Rscript datatable.R FILE.csv THREADS [RUNS]
suppressPackageStartupMessages(library(data.table))
a <- commandArgs(TRUE); runs <- if (length(a) > 2) as.integer(a[3]) else 3L
setDTthreads(as.integer(a[2])); day <- 86400L
used <- function(t) t[[1]] + t[[2]]
line <- function(task, seconds, cpu, answer) cat(sprintf('{"task":"%s","seconds":%.6f,"cpu":%.6f,"answer":[%s]}\n', task, median(seconds), median(cpu),
  paste(formatC(answer, format = "fg", digits = 17, width = 1), collapse = ",")))
names12 <- c("add_to_cart","checkout_start","compare","exit","faq","landing","product_view","purchase","return","review","search","support")
load <- function() { d <- fread(a[1], colClasses = list(double = "user_id", character = "event", integer = "ts", double = "value"), showProgress = FALSE)
  d[, event := match(event, names12) - 1L]; setkey(d, user_id, ts); d }
s <- u <- numeric(0)
for (i in 1:runs) { e <- NULL; gc(FALSE); took <- system.time(e <- load()); s <- c(s, took[[3]]); u <- c(u, used(took)) }
line("T1", s, u, c(nrow(e), uniqueN(e$user_id)))
last <- max(e$ts)
t3 <- function() { u <- e[, .(t0 = ts[1L]), by = user_id]; x <- u[e, on = "user_id"][t0 + 37L * day <= last]
  r <- x[, .(c = sum(event == 2L & ts < t0 + 7L * day), y = as.integer(any(event == 7L & ts >= t0 + 7L * day & ts < t0 + 37L * day))), by = user_id]
  c(nrow(r), sum(r$c), sum(r$y), sum(r$c * r$y)) }
t5 <- function() { n <- e[, .(a = event, b = shift(event, -1L), same = user_id == shift(user_id, -1L))][same == TRUE, .N, by = .(a, b)]
  c(sum(n$N), sum(as.numeric(n$N) * (31 * n$a + n$b + 1))) }
t6 <- function() { x <- e[, .(user_id, ts)]; g <- x$ts - shift(x$ts, 1L); new <- is.na(g) | g > 1800L | x$user_id != shift(x$user_id, 1L); new[1] <- TRUE
  id <- cumsum(new); z <- x[, .(n = .N, d = ts[.N] - ts[1L]), by = id]; c(nrow(z), sum(z$n == 1L), median(z$d), median(z$n)) }
t7 <- function() { w <- (e$ts - 345600L) %/% 604800L; x <- data.table(u = e$user_id, w = w); x[, c := w[1L], by = u]; z <- unique(x)
  sum(31 * (z$c - min(z$c)) + (z$w - z$c) + 1) }
for (t in list(list("T3", t3), list("T5", t5), list("T6", t6), list("T7", t7))) {
  t[[2]](); s <- u <- numeric(0)
  for (i in 1:runs) { took <- system.time(r <- t[[2]]()); s <- c(s, took[[3]]); u <- c(u, used(took)) }
  line(t[[1]], s, u, r)
}
m <- readLines("/proc/self/status"); cat(sprintf('{"task":"memory","megabytes":%d}\n', as.integer(gsub("[^0-9]", "", grep("VmHWM", m, value = TRUE))) %/% 1024L))

# Figures of log:clarity from R 4.2 (stats) and sandwich 3.0: 170 random journeys through three
# stages, and for each item that 20 people met in one of the first two lm with its strata as factors,
# people as clusters (the small-sample factor is that of the people who met it), the binomial law of
# the same design where that is larger, and Welch's difference of places. Written from the words of
# csrc/journey/clarity.h alone.
suppressMessages(library(sandwich))
options(warn = -1)
wrapped <- function(name, words) {
  cat("  ", name, " = {\n", sep = "")
  cat(paste0("    ", strwrap(paste(words, collapse = ", "), 90)), sep = "\n")
  cat("  },\n")
}
within <- 900
names <- c("view", "help", "start", "move", "later")
set.seed(23)
people <- lapply(1:170, function(user) {
  n <- 6 + rpois(1, 9)
  keen <- runif(1)
  event <- sample(1:5, n, TRUE, c(8, 3, 2, 0.1 + 0.8 * keen, 0.3 * keen))
  event[1] <- 3
  if (runif(1) < 0.4) event <- c(rep(1, sample(1:6, 1)), event)
  page <- ifelse(runif(length(event)) < 0.85, sample(1:3, length(event), TRUE), 0)
  # whoever sees page 3 often moves on at once
  for (i in seq_along(event)[-1])
    if (page[i - 1] == 3 && runif(1) < 0.25) event[i] <- sample(4:5, 1)
  list(gap = floor(rexp(length(event)) ^ 2 * 150), event = event, page = page)
})
as_of <- 0
for (k in seq_along(people)) {
  p <- people[[k]]
  p$time <- 10 * k + cumsum(p$gap)
  people[[k]] <- p
  as_of <- max(as_of, p$time)
}
stage_of <- c(0, 0, 1, 2, 3)

# --- Touches of a stage ---------------------------------------------------------------------------

bin <- function(x, upper) findInterval(x, upper, left.open = TRUE)
touches_of <- function(person, number, stage) {
  stages <- stage_of[person$event]
  entry <- which(stages >= stage)[1]
  if (is.na(entry) || stages[entry] != stage) return(NULL)
  exit <- c(which(stages > stage), Inf)[1]
  rows <- seq(entry, min(exit - 1, length(stages)))
  time <- person$time
  seen <- rows[time[rows] + within <= as_of]
  moved <- is.finite(exit) && length(seen) == length(rows)
  if (length(seen) == 0) return(NULL)
  follow <- sapply(seen, function(i) {
    end <- time[i] + within
    if (is.finite(exit) && time[exit] <= end) return("advance")
    coming <- rows[rows > i & time[rows] <= end]
    if (any(stages[coming] > 0 & stages[coming] < stage)) return("back")
    if (length(coming) > 0) "linger" else "leave"
  })
  since <- time[seen] - time[entry]
  so_far <- seen - entry
  data.frame(person = number, moved, advanced = is.finite(exit), follow,
    item = ifelse(person$page[seen] == 0, NA,
      paste(names[person$event[seen]], person$page[seen])),
    place = seq_along(seen), so_far, before = entry - 1,
    time_bin = bin(since, c(0, 10, 60, 600, 3600, 21600, 86400, 259200, 604800)),
    cell = paste(bin(so_far, c(0, 1, 2, 4, 8, 16)),
      bin(since, c(0, 10, 60, 600, 3600, 21600, 86400, 259200, 604800)),
      bin(entry - 1, c(0, 3, 15)), so_far > 0 & c(0, diff(time[seen])) > 1800))
}
# --- One item -------------------------------------------------------------------------------------

slope <- function(d, y, cell) {
  d$y <- y
  d$cell <- cell
  kinds <- tapply(d$x, d$cell, function(x) length(unique(x)))
  d <- d[kinds[d$cell] == 2, ]
  if (nrow(d) == 0) return(c(NaN, NaN, 0))
  d$cell <- factor(d$cell)
  f <- if (nlevels(d$cell) > 1) lm(y ~ x + cell, d) else lm(y ~ x, d)
  x <- if (nlevels(d$cell) > 1) resid(lm(x ~ cell, d)) else d$x - mean(d$x)
  n <- sum(d$x)
  clustered <- vcovCL(f, cluster = d$person, type = "HC0", cadj = FALSE)["x", "x"] * n / (n - 1)
  level <- ave(d$y, d$cell)
  binomial <- sum(x ^ 2 * level * (1 - level)) / sum(x ^ 2) ^ 2
  c(coef(f)[["x"]], sqrt(max(clustered, binomial)), n)
}
figures_of <- function(item, touches, met, structural) {
  own <- met[met$item == item, ]
  first <- setNames(own$place, own$person)[as.character(touches$person)]
  # up to the first meeting; what somebody does after it is no control
  d <- touches[(is.na(first) | touches$place <= first) & !(touches$item %in% structural), ]
  d$x <- as.numeric(!is.na(d$item) & d$item == item)
  all <- slope(d, d$follow == "advance", d$cell)
  known <- d$before > 3 | d$so_far > 2
  others <- sapply(c("back", "linger", "leave"), function(f) slope(d, d$follow == f, d$cell)[1])
  places <- do.call(rbind, lapply(split(touches, touches$person), function(t) {
    t <- t[!(t$item %in% structural), ]
    at <- (seq_len(nrow(t)) - 0.5) / nrow(t) - 0.5
    mine <- !is.na(t$item) & t$item == item
    if (!any(mine) || nrow(t) < 2) return(NULL)
    data.frame(place = mean(at[mine]), advanced = t$advanced[1])
  }))
  place <- c(NaN, NaN)
  if (min(table(factor(places$advanced, c(FALSE, TRUE)))) >= 20) {
    w <- t.test(places$place[places$advanced], places$place[!places$advanced])
    place <- c(-diff(unname(w$estimate)), w$stderr)
  }
  c(users = nrow(own), passed = sum(own$moved), compared = all[3], advance = all[1], se = all[2],
    others, crude = slope(d, d$follow == "advance", as.character(d$time_bin))[1],
    known = slope(d[known, ], d$follow[known] == "advance", d$cell[known])[1],
    place = place[1], place_se = place[2])
}

cat("return {\n")
wrapped("rows_of_people", sapply(people, function(p) length(p$gap)))
for (v in c("gap", "event", "page")) wrapped(v, unlist(lapply(people, `[[`, v)))
cat("  names = { ", paste0('"', names, '"', collapse = ", "), " },\n", sep = "")
cat("  as_of = ", as_of, ", within = ", within, ",\n  stages = {\n", sep = "")
for (stage in 1:2) {
  touches <- do.call(rbind, Map(touches_of, people, seq_along(people), stage))
  met <- touches[!is.na(touches$item) & !duplicated(touches[c("person", "item")]), ]
  moved <- length(unique(touches$person[touches$moved]))
  structural <- names(which(tapply(met$moved, met$item, sum) >= 0.95 * moved))
  cat("    { moved = ", moved, ", structural = {", sep = "")
  cat(paste0(" \"", structural, "\"", recycle0 = TRUE), sep = ",")
  cat(" }, items = {\n")
  for (item in setdiff(sort(names(which(table(met$item) >= 20))), structural)) {
    f <- figures_of(item, touches, met, structural)
    f <- f[is.finite(f)]
    words <- paste0(names(f), "=", sprintf("%.15g", f), collapse = ", ")
    cat("      [\"", item, "\"] = {\n", sep = "")
    cat(gsub("=", " = ", paste0("        ", strwrap(words, 72))), sep = "\n")
    cat("      },\n")
  }
  cat("    } },\n")
}
cat("  },\n}\n")

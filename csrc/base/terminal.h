/* What a long call asks of its surroundings: the time, and whether somebody is watching. */
#ifndef WP_BASE_TERMINAL_H
#define WP_BASE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds of a clock that never goes back; only differences mean something. */
int64_t wp_clock_ns(void);
/* Whether standard error is a terminal. */
bool wp_terminal_watches(void);

#endif

/* The clock and the terminal; see terminal.h. */
#include "base/terminal.h"

#include <time.h>
#include <unistd.h>

int64_t wp_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool wp_terminal_watches(void)
{
    return isatty(STDERR_FILENO) == 1;
}

/* The error struct: formatting one sentence, once. */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

wp_status wp_fail(wp_error *err, wp_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof err->message)
        memcpy(err->message + sizeof err->message - 4, "...", 4);
    err->status = status;
    return status;
}

wp_status wp_fail_memory(wp_error *err, unsigned long long bytes)
{
    return wp_fail(err, WP_NO_MEMORY, "out of memory: %llu bytes were not available", bytes);
}

const char *wp_status_name(wp_status status)
{
    static const char *const names[] = {"ok",      "memory",      "io",      "parse", "sql",
                                        "invalid", "interrupted", "corrupt", "limit"};
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown";
}

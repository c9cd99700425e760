/* Status codes and the error struct that every core function fills.
**
** The core never prints, never exits and never calls back to raise: a function that can fail
** returns a wp_status and, on failure, has written one sentence into the caller's wp_error.
** Message shape: "where: what: found (expected ...)", lower case, no full stop, no C names.
** Outputs are untouched on failure unless a header says otherwise. */
#ifndef WP_BASE_ERROR_H
#define WP_BASE_ERROR_H

#include <stdarg.h>

#if defined(__GNUC__)
#    define WP_NODISCARD           __attribute__((warn_unused_result))
#    define WP_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#    define WP_NODISCARD
#    define WP_PRINTF(text, first)
#endif

typedef enum wp_status {
    WP_OK = 0,
    WP_NO_MEMORY,   /* an allocation failed */
    WP_IO,          /* a file could not be opened, read or written */
    WP_PARSE,       /* input text is not what its place asks for */
    WP_SQL,         /* SQLite refused */
    WP_INVALID,     /* a request the core cannot answer (caller's mistake) */
    WP_INTERRUPTED, /* the caller's poll asked to stop */
    WP_CORRUPT,     /* stored bytes fail their checks */
    WP_LIMIT        /* a documented limit was passed */
} wp_status;

#define WP_MESSAGE_BYTES 1024

typedef struct wp_error {
    wp_status status;
    char message[WP_MESSAGE_BYTES]; /* NUL-terminated, truncated with "..." when too long */
} wp_error;

/* Writes status and message into err (which may be NULL) and returns status, so that
** `return wp_fail(err, WP_PARSE, "...")` reads well. */
wp_status wp_fail(wp_error *err, wp_status status, const char *format, ...) WP_PRINTF(3, 4);

/* Out of memory for `bytes`, the one message that many places share. */
wp_status wp_fail_memory(wp_error *err, unsigned long long bytes);

/* Short stable name of a status ("io", "parse", ...): the `code` of `nil, message, code`. */
const char *wp_status_name(wp_status status);

/* Forwards a failure to the caller; for functions that own nothing at that point. */
#define WP_TRY(call)                                                                               \
    do {                                                                                           \
        wp_status wp_try_status_ = (call);                                                         \
        if (wp_try_status_ != WP_OK)                                                               \
            return wp_try_status_;                                                                 \
    } while (0)

#endif

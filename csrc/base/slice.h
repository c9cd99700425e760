/* Borrowed text, not terminated. An empty text or NULL is a missing value. */
#ifndef WP_BASE_SLICE_H
#define WP_BASE_SLICE_H

#include <stddef.h>

typedef struct wp_slice {
    const char *text;
    size_t length;
} wp_slice;

#endif

/* The fingerprint: the same events in the same order, the same number, on every machine.
**
** Users are hashed in ranges, side by side: ids, row counts and all columns, through the texts and
** not their codes. The ranges are cut by the data alone. Part of stored files: it never changes. */
#ifndef WP_STORE_FINGERPRINT_H
#define WP_STORE_FINGERPRINT_H

#include "store/build.h"

typedef struct wp__hashing {
    const wp_columns *columns;
    const wp_sparse *sparse; /* of columns that are not complete yet; NULL: they are */
    uint64_t *event_hashes, **text_hashes; /* by code */
} wp__hashing;

WP_NODISCARD wp_status wp__hashing_start(wp__hashing *work, const wp_columns *columns,
                                         const wp_sparse *sparse, wp_error *err);
void wp__hashing_reset(wp__hashing *work);

/* Of the users first_user .. last_user - 1. */
uint64_t wp__hash_range(const wp__hashing *work, uint32_t first_user, uint32_t last_user);
/* Of the whole, from its ranges. */
uint64_t wp__hash_all(const wp_columns *columns, const uint64_t *ranges, size_t ranges_count);

#endif

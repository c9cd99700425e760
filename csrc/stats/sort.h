/* The sort of (key, tag) items that ranks, AUC, resamples and codes share.
**
** Stable, parallel, and the same for any number of threads: items are dealt into parts by splitters
** drawn from the keys themselves, so that parts are even whatever the numbers look like, and each
** part is sorted within the cache. Equal keys never lie in two parts: what is summed over groups of
** equal keys can be summed part by part.
** Cost: linear; about 20 ns of processor time per item for a column of distinct numbers, less with
** ties. Memory: once the items beside them. */
#ifndef WP_STATS_SORT_H
#define WP_STATS_SORT_H

#include "base/error.h"
#include "base/pool.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One row on its way through the sort: key orders as the number does, tag travels along. */
typedef struct wp_item {
    uint64_t key, tag;
} wp_item;

/* Order-preserving bits of a number that is not NaN, never 0; -0 and 0 are one value. */
static inline uint64_t wp_order_key(double number)
{
    uint64_t bits;
    number += 0.0;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static inline double wp_order_number(uint64_t key)
{
    uint64_t bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

enum { WP_SORT_PARTS = 256 };

/* Part i is items[starts[i] .. starts[i + 1]); there are `count` of them, 1 for few items. */
typedef struct wp_sort_parts {
    size_t count, starts[WP_SORT_PARTS + 1];
} wp_sort_parts;

/* Sorts fewer than 2^32 items by key. parts may be NULL. */
WP_NODISCARD wp_status wp_items_sort(wp_item *items, size_t count, wp_sort_parts *parts,
                                     const wp_run *run, wp_error *err);

#endif

/* Column segments: one column of the rows of one run of one part of the users, as bytes.
**
**     kind (1 byte) · encoding (1) · 0 0 · count (4) · payload · checksum (8)
**
** Everything is little-endian. The checksum covers the bytes before it and the segment's id, so
** that a segment in another one's place is found. Decoding believes nothing: a wrong kind, count,
** width, order or size is WP_CORRUPT, never a crash; what a segment may make the reader allocate
** is bounded by its size (a count is at most 128 times the bytes).
**
**     kind  payload
**     'u'   users: gaps between numbers in the part, then rows of each less one
**     't'   times: base (8), unit (8); from the last time of the user before, at first from base,
**           to the first of each user, as 2 * step or -2 * step - 1; then steps to the next row
**     'c'   codes: lowest (4), the rest above it
**     'n'   numbers: present (4), scale (1), 0 0 0, lowest (8), bitmap unless all are present,
**           then packed integers (encoding 1: number = (lowest + integer) / 10^scale) or doubles
**     'i'   instants: lowest (8), then 0 for missing or 1 + what is above it */
#ifndef WP_STORE_SEGMENT_H
#define WP_STORE_SEGMENT_H

#include "base/error.h"
#include "store/log.h"
#include "store/pack.h"

/* A borrowed segment as read. */
typedef struct wp_segment {
    const char *bytes;
    size_t size;
    uint64_t id;
} wp_segment;

/* Each encoder makes a whole segment in `out`; out->failed says that memory was short. `scratch`
** has room for `count` words. */
void wp_segment_of_users(wp_bytes *out, uint64_t id, const uint32_t *offsets,
                         const uint32_t *rows_counts, size_t count, uint64_t *scratch);
/* times: rows in the order of users; each user's are ascending. */
void wp_segment_of_times(wp_bytes *out, uint64_t id, const int64_t *times_us,
                         const uint32_t *rows_counts, size_t users_count, size_t count,
                         uint64_t *scratch);
int64_t wp_segment_unit(const wp_bytes *times); /* of a segment of times just made */
void wp_segment_of_codes(wp_bytes *out, uint64_t id, const uint32_t *codes, size_t count,
                         uint64_t *scratch);
void wp_segment_of_numbers(wp_bytes *out, uint64_t id, const double *numbers, size_t count,
                           uint64_t *scratch);
void wp_segment_of_instants(wp_bytes *out, uint64_t id, const int64_t *times_us, size_t count,
                            uint64_t *scratch);

/* Checks checksum, kind and count (UINT32_MAX: any, up to most); the count it says. */
WP_NODISCARD wp_status wp_segment_check(const wp_segment *segment, char kind, uint32_t expected,
                                        uint32_t most, uint32_t *count, wp_error *err);
/* Decoders of segments that passed wp_segment_check. Offsets are ascending and below
** offsets_below; the rows counted add up to rows_count. */
WP_NODISCARD wp_status wp_segment_users(const wp_segment *segment, uint32_t count,
                                        uint32_t offsets_below, uint32_t rows_count,
                                        uint32_t *offsets, uint32_t *rows_counts, wp_error *err);
/* The unit divides every time. `times` are in units from base. */
WP_NODISCARD wp_status wp_segment_times(const wp_segment *segment, const uint32_t *rows_counts,
                                        size_t users_count, size_t count, int64_t *base_us,
                                        int64_t *unit_us, uint64_t *times, wp_error *err);
/* The same straight to 32-bit offsets as `times` has them, for a run that spans first_us to
** last_us, which must fit. `room` has wp_segment_offsets_room(count) words. A unit that does not
** fit or steps that are too wide leave *fits false, and the long way is to be taken. */
size_t wp_segment_offsets_room(size_t count);
WP_NODISCARD wp_status wp_segment_offsets(const wp_segment *segment, const uint32_t *rows_counts,
                                          size_t users_count, size_t count, const wp_times *times,
                                          int64_t first_us, int64_t last_us, uint32_t *room,
                                          uint32_t *offsets, bool *fits, wp_error *err);
WP_NODISCARD wp_status wp_segment_codes(const wp_segment *segment, size_t count, uint32_t below,
                                        uint32_t *codes, wp_error *err);
/* Straight to the width of a column (1, 2 or 4 bytes). */
WP_NODISCARD wp_status wp_segment_narrow(const wp_segment *segment, size_t count, uint32_t below,
                                         const wp_codes *codes, size_t row, wp_error *err);
/* Missing numbers are NaN. `scratch` has room for count. */
WP_NODISCARD wp_status wp_segment_numbers(const wp_segment *segment, size_t count, double *numbers,
                                          double *scratch, wp_error *err);
/* The same as numbers end to end and a bitmap (count / 64 + 1 words) of who has one. */
WP_NODISCARD wp_status wp_segment_numbers_present(const wp_segment *segment, size_t count,
                                                  uint32_t *present, wp_error *err);
WP_NODISCARD wp_status wp_segment_numbers_packed(const wp_segment *segment, size_t count,
                                                 uint64_t *present, double *packed, wp_error *err);
WP_NODISCARD wp_status wp_segment_instants(const wp_segment *segment, size_t count,
                                           int64_t *times_us, wp_error *err);

#endif

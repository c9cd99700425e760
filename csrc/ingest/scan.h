/* Where the fields of CSV text end: RFC 4180, any one-byte delimiter.
**
** A quote is special only where a field begins; inside a quoted field two quotes are one, and
** delimiters and newlines are text. A newline ends a row; a carriage return before it is left to
** whoever cuts out the field. Scanning is resumable: more text may be added behind what was there.
**
** 64 bytes at a time are turned into bit masks of delimiters, newlines and quotes (AVX2 or SSE2
** where there, eight bytes at a time elsewhere); only set bits are visited. Cost: about a cycle per
** 4 bytes plus 4 cycles per field. */
#ifndef WP_INGEST_SCAN_H
#define WP_INGEST_SCAN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that must be readable behind the text. */
#define WP_SCAN_PADDING 64

/* An entry of `ends`: the offset of the byte that ends a field, and what the field looked like. */
#define WP_END_OFFSET  0x1fffffffu
#define WP_END_QUOTED  0x80000000u
#define WP_END_ESCAPED 0x40000000u /* has doubled quotes */
#define WP_END_SPOILED 0x20000000u /* has text behind its closing quote */
#define WP_SCAN_MOST   0x10000000u /* longest text, bytes */

typedef struct wp_scan {
    char delimiter;
    uint32_t *ends; /* of all fields */
    size_t ends_count, ends_capacity;
    uint32_t *rows; /* per row: number of fields up to and including it */
    size_t rows_count, rows_capacity;
    /* where the scan stands */
    size_t at, field_start, last_quote;
    uint32_t flags; /* of the field under way */
    bool in_quotes, has_nul, is_done;
    bool has_quoted; /* some field began with a quote */
} wp_scan;

void wp_scan_free(wp_scan *scan);
/* Starts anew at `start`; `in_field` when it may lie in the middle of an unquoted field. */
void wp_scan_start(wp_scan *scan, char delimiter, size_t start, bool in_field);
/* Goes on up to `size`; only whole blocks of 64 unless `is_last`, which also ends a last row that
** lacks its newline (at offset `size`). Stops behind the first row that ends at or after `stop`
** (is_done). With `is_last` and in_quotes still set, a quote was never closed. */
WP_NODISCARD wp_status wp_scan_run(wp_scan *scan, const char *text, size_t size, size_t stop,
                                   bool is_last, wp_error *err);

/* Instructions to use at most, for tests: 0 words of eight bytes, 1 SSE2, 2 AVX2. */
#define WP_SCAN_LEVELS 3u
void wp_scan_limit(unsigned level);

/* Number of quotes in the text. */
size_t wp_scan_count_quotes(const char *text, size_t size);

#endif

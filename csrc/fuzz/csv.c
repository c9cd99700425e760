/* Hostile bytes as CSV: for every set of instructions, and however the text arrives, fields and
** rows end where a reader that takes one byte at a time says. The first byte is the delimiter, the
** second how much arrives first. */
#include "base/memory.h"
#include "ingest/csv_head.h"
#include "ingest/scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 16 };

typedef struct reading {
    uint32_t ends[MOST], rows[MOST];
    size_t ends_count, rows_count;
    bool in_quotes;
} reading;

/* One byte at a time, from the words of scan.h. */
static void read_plainly(const char *text, size_t size, char delimiter, reading *out)
{
    size_t start = 0, closed = SIZE_MAX;
    uint32_t flags = 0;
    bool open_row = false;
    out->ends_count = out->rows_count = 0;
    out->in_quotes = false;
    for (size_t at = 0; at <= size; at++) {
        bool ends = at == size || text[at] == '\n';
        if (at == size && (out->in_quotes || (start == size && !open_row)))
            break;
        if (at < size && text[at] == '"') {
            if (out->in_quotes) {
                out->in_quotes = false;
                closed = at;
            } else if (at == start) {
                out->in_quotes = true;
                flags = WP_END_QUOTED;
            } else if (flags != 0 && closed + 1 == at) {
                out->in_quotes = true;
                flags |= WP_END_ESCAPED;
            }
            continue;
        }
        if (out->in_quotes || (!ends && text[at] != delimiter))
            continue;
        size_t last = at > start && text[at - 1] == '\r' ? at - 1 : at;
        if (flags != 0 && closed + 1 != at && closed + 1 != last)
            flags |= WP_END_SPOILED;
        out->ends[out->ends_count++] = (uint32_t)at | flags;
        start = at + 1;
        flags = 0;
        open_row = !ends;
        if (ends)
            out->rows[out->rows_count++] = (uint32_t)out->ends_count;
    }
}

static void check(const char *text, size_t size, size_t first, char delimiter, unsigned level,
                  const reading *wanted)
{
    wp_scan scan = {0};
    wp_error err;
    wp_scan_limit(level);
    wp_scan_start(&scan, delimiter, 0, false);
    if (wp_scan_run(&scan, text, first, SIZE_MAX, false, &err) != WP_OK ||
        wp_scan_run(&scan, text, size, SIZE_MAX, true, &err) != WP_OK)
        abort();
    if (scan.in_quotes != wanted->in_quotes || scan.rows_count != wanted->rows_count ||
        scan.ends_count != wanted->ends_count ||
        memcmp(scan.ends, wanted->ends, scan.ends_count * sizeof *scan.ends) != 0 ||
        memcmp(scan.rows, wanted->rows, scan.rows_count * sizeof *scan.rows) != 0)
        abort();
    /* Every field can be cut out. */
    char *spare = malloc(size + 1);
    size_t start = 0, sum = 0;
    for (size_t i = 0; spare != NULL && i < scan.ends_count; i++) {
        wp_slice field = wp_csv_cut(text, start, scan.ends[i], spare);
        for (size_t k = 0; k < field.length; k++)
            sum += (unsigned char)field.text[k];
        start = (size_t)(scan.ends[i] & WP_END_OFFSET) + 1;
    }
    if (sum == SIZE_MAX)
        abort(); /* the bytes were read */
    free(spare);
    wp_scan_free(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static reading wanted;
    if (size < 2 || size > MOST || data[0] == '"' || data[0] == '\n' || data[0] == '\r')
        return 0;
    char delimiter = (char)data[0];
    size -= 2;
    size_t first = size * data[1] / 256;
    char *text = malloc(size + WP_SCAN_PADDING);
    if (text == NULL)
        return 0;
    memcpy(text, data + 2, size);
    memset(text + size, 0, WP_SCAN_PADDING);
    read_plainly(text, size, delimiter, &wanted);
    for (unsigned level = 0; level < WP_SCAN_LEVELS; level++)
        check(text, size, first, delimiter, level, &wanted);
    free(text);
    return 0;
}

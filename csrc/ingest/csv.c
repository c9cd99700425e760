/* CSV files of events; see csv.h for how chunks meet. Rows are cut in csrc/ingest/csv_row.c. */
#include "ingest/csv.h"

#include "base/memory.h"
#include "ingest/csv_block.h"

#include <stdio.h>

/* The text, its fields and the rows of a chunk stay in a second-level cache together. */
#define CHUNK_BYTES (1u << 19)
#define SLACK_BYTES (1u << 14)
#define GUESS_BYTES (1u << 24) /* how far a guess looks for the end of its last row */
#define WAVE_CHUNKS 256u
#define NOWHERE     UINT64_MAX

static size_t chunk_bytes = CHUNK_BYTES;

void wp_csv_set_chunk_bytes(size_t bytes_size)
{
    chunk_bytes = bytes_size == 0 ? CHUNK_BYTES : bytes_size;
}

/* What became of one chunk. */
typedef struct chunk {
    uint64_t start, end; /* first row that begins in it, row behind its last; file offsets */
    uint64_t rows_count, rows_skipped;
    uint64_t bad_at; /* where its first bad row begins; NOWHERE: none */
    uint64_t quotes; /* in its range, counted when guesses went wrong */
    bool inside;     /* guess: the range begins inside of quotes */
    bool is_fatal;   /* the bad row cannot be skipped */
    bool is_stored;  /* a batch was handed to the build */
    char *bad;       /* what is wrong with that row */
} chunk;

/* Scratch of one worker. */
typedef struct bench {
    char *text;
    size_t capacity, size;
    wp_scan scan;
    wp_csv_row row;
    wp_writer *writer;
} bench;

typedef struct job {
    wp_file file;
    wp_csv_head head;
    wp_csv_columns columns;
    const wp_source *source;
    wp_build *build;
    uint64_t first_place, cap; /* cap: rows a chunk needs to read at most */
    uint64_t first_chunk;      /* number of the wave's first chunk */
    uint64_t quotes_from;      /* where counting begins in the wave's first chunk */
    chunk *chunks;
    bench *benches;
    unsigned benches_count;
} job;

/* --- One chunk -------------------------------------------------------------------------------- */

/* Reads on until the bench holds `size` bytes from `begin`, or the file ends. */
static wp_status load(const job *work, bench *b, uint64_t begin, size_t size, wp_error *err)
{
    if (size + WP_SCAN_PADDING > b->capacity) {
        size_t capacity = size + WP_SCAN_PADDING;
        char *text = wp_realloc_array(b->text, capacity, 1);
        if (text == NULL)
            return wp_fail_memory(err, capacity);
        b->text = text;
        b->capacity = capacity;
    }
    size_t got;
    WP_TRY(
        wp_file_read(&work->file, begin + b->size, b->text + b->size, size - b->size, &got, err));
    b->size += got;
    memset(b->text + b->size, 0, WP_SCAN_PADDING);
    return WP_OK;
}

static void set_bad(chunk *c, uint64_t at, const char *message, bool is_fatal)
{
    wp_free(c->bad);
    c->bad = wp_copy_string(message, strlen(message));
    c->bad_at = at;
    c->is_fatal = is_fatal;
}

/* Finds all fields from `begin` to the end of the last row that begins before `limit`. *is_found
** stays false when that end is too far away for a guess. */
static wp_status scan_chunk(const job *work, bench *b, uint64_t begin, uint64_t limit,
                            bool is_guess, bool *is_found, wp_error *err)
{
    size_t stop = (size_t)(limit - begin), want = stop + SLACK_BYTES;
    b->size = 0;
    for (;;) {
        WP_TRY(load(work, b, begin, want, err));
        bool is_last = begin + b->size >= work->file.size || b->size < want;
        WP_TRY(wp_scan_run(&b->scan, b->text, b->size, stop, is_last, err));
        if (b->scan.is_done) {
            *is_found = true;
            return WP_OK;
        }
        if (is_guess && want > stop + GUESS_BYTES)
            return WP_OK;
        if (want >= WP_SCAN_MOST)
            return WP_OK;
        want = want * 2 > WP_SCAN_MOST ? WP_SCAN_MOST : want * 2;
    }
}

/* Offset behind a row in the text of a bench. */
static size_t row_end(const wp_scan *scan, size_t row)
{
    return (size_t)(scan->ends[scan->rows[row] - 1] & WP_END_OFFSET) + 1;
}

/* Hands the rows first .. last-1 of the bench to its writer, one at a time. *stops: one is bad, and
** bad rows are not skipped. */
static wp_status parse_singly(const job *work, bench *b, size_t first, size_t last, uint64_t begin,
                              chunk *c, bool *stops, wp_error *err)
{
    const wp_scan *scan = &b->scan;
    uint32_t field = first > 0 ? scan->rows[first - 1] : 0;
    size_t at = first > 0 ? row_end(scan, first - 1) : (size_t)(c->start - begin);
    for (size_t row = first; row < last && c->rows_count < work->cap; row++) {
        uint32_t count = scan->rows[row] - field;
        wp_status status = wp_csv_row_read(&b->row, &work->columns, work->source, b->text, at,
                                           scan->ends + field, count, scan->has_nul, err);
        size_t row_at = at;
        at = row_end(scan, row);
        field = scan->rows[row];
        if (status == WP_OK) {
            if (!b->row.is_blank) {
                WP_TRY(wp_writer_add(b->writer, &b->row.row, err));
                c->rows_count++;
            }
            continue;
        }
        if (status != WP_PARSE)
            return status;
        if (c->bad_at == NOWHERE)
            set_bad(c, begin + row_at, err->message, false);
        if ((*stops = !work->source->skip_bad))
            return WP_OK;
        c->rows_skipped++;
    }
    return WP_OK;
}

/* Hands the rows of the bench, from row `first` on, to its writer. */
static wp_status parse_rows(const job *work, bench *b, size_t first, uint64_t begin, chunk *c,
                            wp_error *err)
{
    const wp_scan *scan = &b->scan;
    bool stops = false, taken;
    for (size_t row = first; row < scan->rows_count && c->rows_count < work->cap && !stops;) {
        uint64_t left = work->cap - c->rows_count;
        size_t count = scan->rows_count - row;
        count = count < WP_CSV_BLOCK ? count : WP_CSV_BLOCK;
        count = count < left ? count : (size_t)left;
        size_t at = row > 0 ? row_end(scan, row - 1) : (size_t)(c->start - begin);
        WP_TRY(wp_csv_block_read(&work->columns, work->source, b->text, scan, row, at,
                                 (uint32_t)count, b->writer, &taken, err));
        if (taken)
            c->rows_count += count;
        else
            WP_TRY(parse_singly(work, b, row, row + count, begin, c, &stops, err));
        row += count;
    }
    return WP_OK;
}

static void chunk_reset(job *work, chunk *c, uint64_t place)
{
    if (c->is_stored)
        wp__build_drop(work->build, place);
    wp_free(c->bad);
    uint64_t quotes = c->quotes;
    bool inside = c->inside;
    *c = (chunk){
        .start = NOWHERE, .end = NOWHERE, .bad_at = NOWHERE, .quotes = quotes, .inside = inside};
}

/* Parses chunk `index` of the wave. `forced` is where its first row begins, NOWHERE: guess. */
static wp_status parse_chunk(job *work, size_t index, uint64_t forced, bench *b, wp_error *err)
{
    chunk *c = &work->chunks[index];
    uint64_t number = work->first_chunk + index, low = number * chunk_bytes,
             high = low + chunk_bytes;
    bool is_guess = forced == NOWHERE, is_found = false;
    uint64_t begin = is_guess ? low - 1 : forced;
    chunk_reset(work, c, work->first_place + number);
    if (b->writer == NULL)
        WP_TRY(wp_writer_start(work->build, &b->writer, err));
    wp_scan_start(&b->scan, work->head.delimiter, 0, is_guess);
    if (is_guess && c->inside) {
        b->scan.at = 1;
        b->scan.field_start = 0;
        b->scan.flags = WP_END_QUOTED;
        b->scan.in_quotes = true;
    }
    WP_TRY(scan_chunk(work, b, begin, high, is_guess, &is_found, err));
    const wp_scan *scan = &b->scan;
    size_t first = is_guess ? 1 : 0; /* a guess begins with the end of somebody else's row */
    bool is_open = !is_found || scan->in_quotes;
    if ((is_guess && !is_found) || scan->rows_count < first)
        return WP_OK; /* nothing begins here, or it must be looked at from the right place */
    c->start = is_guess ? begin + row_end(scan, 0) : forced;
    c->end = begin + (scan->rows_count > 0 ? row_end(scan, scan->rows_count - 1) : 0);
    if (c->start >= high)
        return WP_OK;
    wp_status status = parse_rows(work, b, first, begin, c, err);
    bool stops = c->bad_at != NOWHERE && !work->source->skip_bad;
    if (status == WP_OK && is_open && !stops && c->rows_count < work->cap) {
        set_bad(c, c->end,
                is_found ? "a quote is never closed (expected a second one before the end)"
                         : "row longer than 256 MiB (expected a newline; is a quote not closed?)",
                true);
        stops = true;
    }
    if (status != WP_OK || stops) {
        wp_writer_drop(b->writer);
        return status;
    }
    c->is_stored = wp_writer_count(b->writer) > 0;
    return wp_writer_finish(b->writer, work->first_place + number, err);
}

static wp_status parse_task(void *context, size_t index, unsigned worker, wp_error *err)
{
    job *work = context;
    uint64_t number = work->first_chunk + index;
    uint64_t first = work->head.data_offset / chunk_bytes;
    return parse_chunk(work, index, number == first ? work->head.data_offset : NOWHERE,
                       &work->benches[worker], err);
}

static wp_status count_task(void *context, size_t index, unsigned worker, wp_error *err)
{
    job *work = context;
    bench *b = &work->benches[worker];
    uint64_t low = (work->first_chunk + index) * chunk_bytes, high = low + chunk_bytes;
    if (low < work->quotes_from)
        low = work->quotes_from < high ? work->quotes_from : high;
    b->size = 0;
    WP_TRY(load(work, b, low, (size_t)(high - low), err));
    work->chunks[index].quotes = wp_scan_count_quotes(b->text, b->size);
    return WP_OK;
}

/* --- Waves of chunks -------------------------------------------------------------------------- */

typedef struct walk {
    uint64_t next; /* where the next row begins: all before is read */
    uint64_t rows_left;
    bool counts_quotes;
    wp_csv_result *result;
} walk;

static wp_status report_bad(const job *work, const chunk *c, char *text, size_t text_size,
                            wp_error *err)
{
    uint64_t line;
    WP_TRY(wp_file_line(&work->file, c->bad_at, &line, err));
    snprintf(text, text_size, "%s:%llu: %s", work->file.name, (unsigned long long)line,
             c->bad != NULL ? c->bad : "bad row");
    return WP_OK;
}

/* Takes the chunks of a wave in order; parses again what was guessed wrong. */
static wp_status verify_wave(job *work, walk *state, size_t count, const wp_run *run, wp_error *err)
{
    for (size_t i = 0; i < count; i++) {
        chunk *c = &work->chunks[i];
        uint64_t number = work->first_chunk + i, high = (number + 1) * chunk_bytes;
        if (state->next >= high || state->next >= work->file.size || state->rows_left == 0) {
            chunk_reset(work, c, work->first_place + number);
            continue;
        }
        if (c->start != state->next) {
            if (wp_run_interrupted(run))
                return wp_fail(err, WP_INTERRUPTED, "interrupted");
            state->counts_quotes = true;
            work->cap = state->rows_left;
            WP_TRY(parse_chunk(work, i, state->next, &work->benches[0], err));
        }
        bool stops = c->bad_at != NOWHERE && (c->is_fatal || !work->source->skip_bad);
        if (c->rows_count > state->rows_left || (stops && c->rows_count >= state->rows_left)) {
            work->cap = state->rows_left;
            WP_TRY(parse_chunk(work, i, state->next, &work->benches[0], err));
            stops = false;
        }
        wp_csv_result *result = state->result;
        if (stops || (c->bad_at != NOWHERE && result->first_bad[0] == '\0'))
            WP_TRY(report_bad(work, c, result->first_bad, sizeof result->first_bad, err));
        if (stops)
            return wp_fail(err, WP_PARSE, "%s", result->first_bad);
        result->rows_count += c->rows_count;
        result->rows_skipped += c->rows_skipped;
        state->rows_left -= c->rows_count;
        state->next = c->end;
    }
    return WP_OK;
}

static wp_status guess_by_quotes(job *work, const walk *state, size_t count, const wp_run *run,
                                 wp_error *err)
{
    work->quotes_from = state->next;
    WP_TRY(wp_pool_run(run, count, count_task, work, err));
    bool inside = false;
    for (size_t i = 0; i < count; i++) {
        work->chunks[i].inside = inside;
        inside ^= (work->chunks[i].quotes & 1) != 0;
    }
    return WP_OK;
}

static wp_status read_waves(job *work, uint64_t limit, const wp_run *run, wp_csv_result *result,
                            wp_error *err)
{
    walk state = {work->head.data_offset, limit, false, result};
    uint64_t chunks_count = (work->file.size + chunk_bytes - 1) / chunk_bytes;
    size_t wave = limit == UINT64_MAX ? WAVE_CHUNKS : 2;
    work->first_chunk = state.next / chunk_bytes;
    while (work->first_chunk < chunks_count && state.rows_left > 0) {
        uint64_t left = chunks_count - work->first_chunk;
        size_t count = left < wave ? (size_t)left : wave;
        for (size_t i = 0; i < count; i++)
            work->chunks[i] = (chunk){.start = NOWHERE, .end = NOWHERE, .bad_at = NOWHERE};
        work->cap = state.rows_left;
        wp_status status = WP_OK;
        if (state.counts_quotes)
            status = guess_by_quotes(work, &state, count, run, err);
        if (status == WP_OK)
            status = wp_pool_run(run, count, parse_task, work, err);
        if (status == WP_OK)
            status = verify_wave(work, &state, count, run, err);
        for (size_t i = 0; i < count; i++)
            wp_free(work->chunks[i].bad);
        WP_TRY(status);
        work->first_chunk += count;
        wave = wave * 2 < WAVE_CHUNKS ? wave * 2 : WAVE_CHUNKS;
    }
    return WP_OK;
}

/* --- One file --------------------------------------------------------------------------------- */

static wp_status prepare(job *work, const char *path, const wp_run *run, wp_error *err)
{
    WP_TRY(wp_file_open(path, &work->file, err));
    WP_TRY(wp_csv_columns_find(&work->file, work->source, &work->head, &work->columns, err));
    work->chunks = wp_alloc_array(WAVE_CHUNKS, sizeof *work->chunks);
    work->benches_count = wp_run_threads(run);
    work->benches = wp_alloc_array_zero(work->benches_count, sizeof *work->benches);
    if (work->chunks == NULL || work->benches == NULL)
        return wp_fail_memory(err, WAVE_CHUNKS * sizeof *work->chunks);
    for (unsigned i = 0; i < work->benches_count; i++)
        WP_TRY(wp_csv_row_start(&work->benches[i].row, &work->source->schema, err));
    return WP_OK;
}

static void job_reset(job *work)
{
    for (unsigned i = 0; work->benches != NULL && i < work->benches_count; i++) {
        bench *b = &work->benches[i];
        wp_free(b->text);
        wp_scan_free(&b->scan);
        wp_csv_row_free(&b->row);
        wp_writer_free(b->writer);
    }
    wp_free(work->benches);
    wp_free(work->chunks);
    wp_csv_columns_free(&work->columns);
    wp_csv_head_free(&work->head);
    wp_file_close(&work->file);
}

wp_status wp_csv_read(const char *path, const wp_source *source, uint64_t limit,
                      uint64_t first_place, wp_build *build, const wp_run *run,
                      wp_csv_result *result, wp_error *err)
{
    job work = {
        .file = {.descriptor = -1}, .source = source, .build = build, .first_place = first_place};
    *result = (wp_csv_result){0};
    wp_status status = prepare(&work, path, run, err);
    if (status == WP_OK)
        status = read_waves(&work, limit, run, result, err);
    job_reset(&work);
    return status;
}

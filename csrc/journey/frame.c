/* Lifetime, access and eligibility of frames; see frame.h. */
#include "journey/frame.h"

#include "base/memory.h"

wp_status wp_frame_new(uint32_t rows_count, uint32_t columns_count, wp_frame **out, wp_error *err)
{
    wp_frame *frame = wp_alloc_zero(sizeof *frame);
    if (frame == NULL)
        return wp_fail_memory(err, sizeof *frame);
    frame->rows_count = rows_count;
    frame->columns = wp_alloc_array_zero(columns_count, sizeof *frame->columns);
    if (frame->columns == NULL) {
        wp_free(frame);
        return wp_fail_memory(err, columns_count * sizeof *frame->columns);
    }
    frame->columns_count = columns_count;
    *out = frame;
    return WP_OK;
}

wp_status wp_frame_column_alloc(wp_frame_column *column, uint32_t rows_count, wp_error *err)
{
    size_t width = wp_cell_width(column->type);
    column->data = wp_alloc_array(rows_count, width);
    return column->data == NULL ? wp_fail_memory(err, rows_count * width) : WP_OK;
}

void wp_frame_free(wp_frame *frame)
{
    if (frame == NULL)
        return;
    for (uint32_t i = 0; i < frame->columns_count; i++) {
        wp_free(frame->columns[i].data);
        wp_free(frame->columns[i].own_texts.offsets);
        wp_free(frame->columns[i].own_texts.bytes);
    }
    wp_free(frame->columns);
    wp_free(frame->users);
    wp_free(frame->t0_us);
    wp_free(frame->end_us);
    wp_log_release(frame->log);
    wp_free(frame);
}

int64_t wp_frame_bytes(const wp_frame *frame)
{
    size_t row_size = frame->users != NULL ? 20 : 0;
    for (uint32_t i = 0; i < frame->columns_count; i++)
        row_size += wp_cell_width(frame->columns[i].type);
    return (int64_t)(row_size * frame->rows_count);
}

void wp_frame_numbers(const wp_frame *frame, uint32_t column, double *out)
{
    for (uint32_t row = 0; row < frame->rows_count; row++)
        out[row] = wp_frame_number(&frame->columns[column], row);
}

/* Rows are settled in chunks: each finds the state of its rows, counts them and moves those that
** stay to the chunk's front; then the chunks are moved together, in order. */
#define SETTLE_ROWS 8192u

typedef enum row_state { ROW_USED, ROW_MISSING, ROW_TOO_RECENT, ROW_PRIOR } row_state;

typedef struct settling {
    wp_frame *frame;
    const wp_rules *rules;
    bool drop;
    wp_loss *losses; /* by chunk */
} settling;

/* Some rows of a frame: 0 .. count-1 from `first` on. */
typedef struct row_range {
    uint32_t first, count;
} row_range;

/* state = `mark` where the test holds and the row has no state yet. One loop per width: this runs
** over every user. */
#define MARK_CELLS(type, holds)                                                                    \
    do {                                                                                           \
        const type *cells = (const type *)column->data + range.first;                              \
        for (uint32_t row = 0; row < range.count; row++)                                           \
            state[row] = (uint8_t)(state[row] | (-(state[row] == ROW_USED) & -(holds)&mark));      \
    } while (0)

static void mark_missing(const wp_frame_column *column, row_range range, uint8_t mark,
                         uint8_t *state)
{
    if (column->type == WP_CELL_U8)
        MARK_CELLS(uint8_t, cells[row] == UINT8_MAX);
    else if (column->type == WP_CELL_U32)
        MARK_CELLS(uint32_t, cells[row] == UINT32_MAX);
    else if (column->type == WP_CELL_I64)
        MARK_CELLS(int64_t, cells[row] == WP_TIME_MISSING);
    else
        MARK_CELLS(double, isnan(cells[row]) != 0);
}

static void mark_above_0(const wp_frame_column *column, row_range range, uint8_t mark,
                         uint8_t *state)
{
    if (column->type == WP_CELL_U8)
        MARK_CELLS(uint8_t, (uint8_t)(cells[row] - 1) < UINT8_MAX - 1);
    else if (column->type == WP_CELL_U32)
        MARK_CELLS(uint32_t, cells[row] - 1u < UINT32_MAX - 1);
    else if (column->type == WP_CELL_I64)
        MARK_CELLS(int64_t, cells[row] > 0);
    else
        MARK_CELLS(double, cells[row] > 0);
}

static void find_states(const settling *s, row_range range, uint8_t *state)
{
    const wp_frame *frame = s->frame;
    const wp_rules *rules = s->rules;
    const int64_t *t0_us = frame->t0_us + range.first, *end_us = frame->end_us + range.first;
    for (uint32_t row = 0; row < range.count; row++)
        state[row] = (uint8_t)(-(end_us[row] - t0_us[row] < rules->needed_us) & ROW_TOO_RECENT);
    if (rules->prior >= 0)
        mark_above_0(&frame->columns[rules->prior], range, ROW_PRIOR, state);
    for (uint32_t i = 0; i < rules->required_count; i++)
        mark_missing(&frame->columns[rules->required[i]], range, ROW_MISSING, state);
}

static void count_states(const settling *s, row_range range, const uint8_t *state, wp_loss *loss)
{
    uint64_t counts[4] = {0};
    for (uint32_t row = 0; row < range.count; row++)
        counts[state[row]]++;
    *loss = (wp_loss){.used = counts[ROW_USED],
                      .missing = counts[ROW_MISSING],
                      .too_recent = counts[ROW_TOO_RECENT],
                      .prior_outcome = counts[ROW_PRIOR]};
    if (s->rules->outcome < 0)
        return;
    uint8_t events[SETTLE_ROWS] = {0};
    mark_above_0(&s->frame->columns[s->rules->outcome], range, 1, events);
    for (uint32_t row = 0; row < range.count; row++)
        loss->events += state[row] == ROW_USED && events[row] != 0;
}

/* Moves the marked cells of a range to its front, in order. */
#define KEEP_CELLS(type, array)                                                                    \
    do {                                                                                           \
        type *cells = (type *)(array) + range.first;                                               \
        for (uint32_t row = 0, kept = 0; row < range.count; row++) {                               \
            cells[kept] = cells[row];                                                              \
            kept += keep[row];                                                                     \
        }                                                                                          \
    } while (0)

static void keep_rows(const wp_frame *frame, row_range range, const uint8_t *keep)
{
    for (uint32_t i = 0; i < frame->columns_count; i++) {
        const wp_frame_column *column = &frame->columns[i];
        size_t width = wp_cell_width(column->type);
        if (width == 1)
            KEEP_CELLS(uint8_t, column->data);
        else if (width == 4)
            KEEP_CELLS(uint32_t, column->data);
        else
            KEEP_CELLS(uint64_t, column->data);
    }
    KEEP_CELLS(uint32_t, frame->users);
    KEEP_CELLS(int64_t, frame->t0_us);
    KEEP_CELLS(int64_t, frame->end_us);
}

static wp_status settle_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    settling *s = context;
    row_range range = {(uint32_t)chunk * SETTLE_ROWS, SETTLE_ROWS};
    if (range.count > s->frame->rows_count - range.first)
        range.count = s->frame->rows_count - range.first;
    uint8_t state[SETTLE_ROWS];
    wp_loss *loss = &s->losses[chunk];
    find_states(s, range, state);
    count_states(s, range, state, loss);
    if (s->drop && loss->used + loss->missing < range.count) {
        for (uint32_t row = 0; row < range.count; row++)
            state[row] = state[row] <= ROW_MISSING;
        keep_rows(s->frame, range, state);
    }
    return WP_OK;
}

static void move_rows(wp_frame *frame, uint32_t to, uint32_t from, uint32_t count)
{
    if (to == from)
        return;
    for (uint32_t i = 0; i < frame->columns_count; i++) {
        size_t width = wp_cell_width(frame->columns[i].type);
        char *data = frame->columns[i].data;
        memmove(data + to * width, data + from * width, count * width);
    }
    memmove(frame->users + to, frame->users + from, count * sizeof *frame->users);
    memmove(frame->t0_us + to, frame->t0_us + from, count * sizeof *frame->t0_us);
    memmove(frame->end_us + to, frame->end_us + from, count * sizeof *frame->end_us);
}

wp_status wp_frame_settle(wp_frame *frame, const wp_rules *rules, bool drop, const wp_run *run,
                          wp_loss *loss, wp_error *err)
{
    size_t chunks = (frame->rows_count + (size_t)SETTLE_ROWS - 1) / SETTLE_ROWS;
    settling s = {frame, rules, drop, wp_alloc_array(chunks, sizeof(wp_loss))};
    if (s.losses == NULL)
        return wp_fail_memory(err, chunks * sizeof(wp_loss));
    wp_status status = wp_pool_run(run, chunks, settle_chunk, &s, err);
    *loss = (wp_loss){0};
    uint32_t kept = 0;
    for (size_t chunk = 0; status == WP_OK && chunk < chunks; chunk++) {
        const wp_loss *part = &s.losses[chunk];
        uint32_t stay = (uint32_t)(part->used + part->missing);
        loss->used += part->used;
        loss->missing += part->missing;
        loss->too_recent += part->too_recent;
        loss->prior_outcome += part->prior_outcome;
        loss->events += part->events;
        if (drop)
            move_rows(frame, kept, (uint32_t)chunk * SETTLE_ROWS, stay);
        kept += stay;
    }
    if (status == WP_OK && drop)
        frame->rows_count = kept;
    wp_free(s.losses);
    return status;
}

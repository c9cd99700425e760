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

void wp_frame_column_drop(wp_frame_column *column)
{
    wp_free(column->data);
    wp_free(column->own_texts.offsets);
    wp_free(column->own_texts.bytes);
    column->data = NULL;
    column->own_texts = (wp_dictionary){0};
    column->texts = NULL;
}

void wp_frame_free(wp_frame *frame)
{
    if (frame == NULL)
        return;
    for (uint32_t i = 0; i < frame->columns_count; i++)
        wp_frame_column_drop(&frame->columns[i]);
    wp_free(frame->columns);
    wp_free(frame->users);
    wp_free(wp_times_data(&frame->t0));
    wp_free(frame->end_us);
    wp_log_release(frame->log);
    wp_free(frame);
}

int64_t wp_frame_bytes(const wp_frame *frame)
{
    size_t row_size = (frame->users != NULL ? 8 : 0) + (frame->end_us != NULL ? 8 : 0);
    for (uint32_t i = 0; i < frame->columns_count; i++)
        row_size += wp_cell_width(frame->columns[i].type);
    return (int64_t)(row_size * frame->rows_count);
}

#define NUMBERS_ROWS 32768u /* at a time */

typedef struct number_work {
    const wp_frame *frame;
    const wp_frame_column *column;
    double *out;
} number_work;

static wp_status number_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    const number_work *work = context;
    const wp_frame_column *column = work->column;
    uint32_t row = (uint32_t)chunk * NUMBERS_ROWS, end = work->frame->rows_count;
    end = end - row > NUMBERS_ROWS ? row + NUMBERS_ROWS : end;
    const uint8_t *narrow = column->type == WP_CELL_U8 ? column->data : NULL;
    const uint32_t *counts = column->type == WP_CELL_U32 ? column->data : NULL;
    if (narrow != NULL)
        for (; row < end; row++)
            work->out[row] = narrow[row] == UINT8_MAX ? (double)NAN : (double)narrow[row];
    else if (counts != NULL)
        for (; row < end; row++)
            work->out[row] = counts[row] == UINT32_MAX ? (double)NAN : (double)counts[row];
    else
        for (; row < end; row++)
            work->out[row] = wp_frame_number(column, row);
    return WP_OK;
}

wp_status wp_frame_numbers(const wp_frame *frame, uint32_t column, const wp_run *run, double *out,
                           wp_error *err)
{
    number_work work = {frame, &frame->columns[column], out};
    size_t chunks = ((size_t)frame->rows_count + NUMBERS_ROWS - 1) / NUMBERS_ROWS;
    return wp_pool_run(run, chunks, number_chunk, &work, err);
}

/* --- Eligibility --------------------------------------------------------------------------- */

typedef enum row_state { ROW_USED, ROW_MISSING, ROW_TOO_RECENT, ROW_PRIOR } row_state;

/* state = `mark` where the test holds and the row has no state yet. One loop per width: this runs
** over every user. */
#define MARK_CELLS(type, holds)                                                                    \
    do {                                                                                           \
        const type *cells = column->data;                                                          \
        for (uint32_t row = 0; row < count; row++)                                                 \
            state[row] = (uint8_t)(state[row] | (-(state[row] == ROW_USED) & -(holds)&mark));      \
    } while (0)

static void mark_missing(const wp_frame_column *column, uint32_t count, uint8_t mark,
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

static void mark_above_0(const wp_frame_column *column, uint32_t count, uint8_t mark,
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

static void find_states(const wp_frame *frame, const wp_rules *rules, uint32_t count,
                        const int64_t *t0_us, const int64_t *end_us, uint8_t *state)
{
    if (end_us == NULL)
        memset(state, 0, count);
    for (uint32_t row = 0; end_us != NULL && row < count; row++)
        state[row] = (uint8_t)(-(end_us[row] - t0_us[row] < rules->needed_us) & ROW_TOO_RECENT);
    if (rules->prior >= 0)
        mark_above_0(&frame->columns[rules->prior], count, ROW_PRIOR, state);
    for (uint32_t i = 0; i < rules->required_count; i++)
        mark_missing(&frame->columns[rules->required[i]], count, ROW_MISSING, state);
}

static void count_states(const wp_rules *rules, uint32_t count, const uint8_t *state,
                         const uint8_t *events, wp_loss *loss)
{
    uint64_t counts[4] = {0};
    for (uint32_t row = 0; row < count; row++)
        counts[state[row]]++;
    loss->used += counts[ROW_USED];
    loss->missing += counts[ROW_MISSING];
    loss->too_recent += counts[ROW_TOO_RECENT];
    loss->prior_outcome += counts[ROW_PRIOR];
    for (uint32_t row = 0; rules->outcome >= 0 && row < count; row++)
        loss->events += state[row] == ROW_USED && events[row] != 0;
}

/* Moves the marked cells of a range to its front, in order. */
#define KEEP_CELLS(type, array)                                                                    \
    do {                                                                                           \
        type *cells = (array);                                                                     \
        for (uint32_t row = 0, kept = 0; row < count; row++) {                                     \
            cells[kept] = cells[row];                                                              \
            kept += keep[row];                                                                     \
        }                                                                                          \
    } while (0)

static void keep_rows(const wp_frame *frame, uint32_t count, const uint8_t *keep)
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
    if (frame->t0.wide)
        KEEP_CELLS(int64_t, frame->t0.micros);
    else
        KEEP_CELLS(uint32_t, frame->t0.offsets);
    if (frame->end_us != NULL)
        KEEP_CELLS(int64_t, frame->end_us);
}

uint32_t wp__frame_settle(wp_frame *frame, const wp_rules *rules, uint32_t count,
                          const int64_t *t0_us, const int64_t *end_us, wp_loss *loss)
{
    uint8_t state[WP_SETTLE_ROWS], events[WP_SETTLE_ROWS];
    uint32_t stay = 0;
    if (rules->outcome >= 0) {
        memset(events, 0, count);
        mark_above_0(&frame->columns[rules->outcome], count, 1, events);
    }
    if (end_us == NULL && rules->prior < 0 && rules->required_count == 0) {
        uint32_t found = 0; /* nobody can be lost */
        for (uint32_t row = 0; rules->outcome >= 0 && row < count; row++)
            found += events[row];
        loss->used += count;
        loss->events += found;
        return count;
    }
    find_states(frame, rules, count, t0_us, end_us, state);
    count_states(rules, count, state, events, loss);
    for (uint32_t row = 0; row < count; row++) {
        state[row] = state[row] <= ROW_MISSING;
        stay += state[row];
    }
    if (stay < count)
        keep_rows(frame, count, state);
    return stay;
}

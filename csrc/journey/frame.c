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

typedef enum row_state { ROW_USED, ROW_MISSING, ROW_TOO_RECENT, ROW_PRIOR } row_state;

/* state = `mark` where the column's number is missing (or, for above, more than 0) and the row has
** no state yet. One loop per width: this runs over every user. */
#define MARK_CELLS(type, holds)                                                                    \
    do {                                                                                           \
        const type *cells = column->data;                                                          \
        for (uint32_t row = 0; row < count; row++)                                                 \
            state[row] = state[row] == ROW_USED && (holds) ? mark : state[row];                    \
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
        MARK_CELLS(double, isnan(cells[row]));
}

static void mark_above_0(const wp_frame_column *column, uint32_t count, uint8_t mark,
                         uint8_t *state)
{
    if (column->type == WP_CELL_U8)
        MARK_CELLS(uint8_t, cells[row] - 1u < 254);
    else if (column->type == WP_CELL_U32)
        MARK_CELLS(uint32_t, cells[row] - 1u < UINT32_MAX - 1);
    else if (column->type == WP_CELL_I64)
        MARK_CELLS(int64_t, cells[row] > 0);
    else
        MARK_CELLS(double, cells[row] > 0);
}

static void find_states(const wp_frame *frame, const wp_rules *rules, uint8_t *state)
{
    uint32_t count = frame->rows_count;
    for (uint32_t row = 0; row < count; row++)
        state[row] =
            frame->end_us[row] - frame->t0_us[row] < rules->needed_us ? ROW_TOO_RECENT : ROW_USED;
    if (rules->prior >= 0)
        mark_above_0(&frame->columns[rules->prior], count, ROW_PRIOR, state);
    for (uint32_t i = 0; i < rules->required_count; i++)
        mark_missing(&frame->columns[rules->required[i]], count, ROW_MISSING, state);
}

static void count_states(const wp_frame *frame, const wp_rules *rules, const uint8_t *state,
                         wp_loss *loss)
{
    uint64_t counts[4] = {0};
    for (uint32_t row = 0; row < frame->rows_count; row++)
        counts[state[row]]++;
    *loss = (wp_loss){.used = counts[ROW_USED],
                      .missing = counts[ROW_MISSING],
                      .too_recent = counts[ROW_TOO_RECENT],
                      .prior_outcome = counts[ROW_PRIOR]};
    if (rules->outcome < 0)
        return;
    const wp_frame_column *outcome = &frame->columns[rules->outcome];
    for (uint32_t row = 0; row < frame->rows_count; row++)
        loss->events += state[row] == ROW_USED && wp_frame_number(outcome, row) > 0;
}

/* Keeps the marked cells of one array, in order and in place. */
#define KEEP_CELLS(type, cells, keep, count)                                                       \
    do {                                                                                           \
        type *all = (cells);                                                                       \
        for (uint32_t row = 0, kept = 0; row < (count); row++) {                                   \
            all[kept] = all[row];                                                                  \
            kept += (keep)[row];                                                                   \
        }                                                                                          \
    } while (0)

static void keep_rows(wp_frame *frame, const uint8_t *keep)
{
    uint32_t count = frame->rows_count;
    for (uint32_t i = 0; i < frame->columns_count; i++) {
        wp_frame_column *column = &frame->columns[i];
        size_t width = wp_cell_width(column->type);
        if (width == 1)
            KEEP_CELLS(uint8_t, column->data, keep, count);
        else if (width == 4)
            KEEP_CELLS(uint32_t, column->data, keep, count);
        else
            KEEP_CELLS(uint64_t, column->data, keep, count);
    }
    KEEP_CELLS(uint32_t, frame->users, keep, count);
    KEEP_CELLS(int64_t, frame->t0_us, keep, count);
    KEEP_CELLS(int64_t, frame->end_us, keep, count);
}

wp_status wp_frame_settle(wp_frame *frame, const wp_rules *rules, bool drop, wp_loss *loss,
                          wp_error *err)
{
    uint8_t *state = wp_alloc_array(frame->rows_count, 1);
    if (state == NULL)
        return wp_fail_memory(err, frame->rows_count);
    find_states(frame, rules, state);
    count_states(frame, rules, state, loss);
    uint32_t kept = (uint32_t)(loss->used + loss->missing);
    if (drop && kept < frame->rows_count) {
        for (uint32_t row = 0; row < frame->rows_count; row++)
            state[row] = state[row] == ROW_USED || state[row] == ROW_MISSING;
        keep_rows(frame, state);
        frame->rows_count = kept;
    }
    wp_free(state);
    return WP_OK;
}

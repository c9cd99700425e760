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

static row_state state_of(const wp_frame *frame, const wp_rules *rules, uint32_t row)
{
    if (frame->t0_us[row] + rules->needed_us > frame->end_us[row])
        return ROW_TOO_RECENT;
    if (rules->prior >= 0 && wp_frame_number(&frame->columns[rules->prior], row) > 0)
        return ROW_PRIOR;
    for (uint32_t i = 0; i < rules->required_count; i++)
        if (isnan(wp_frame_number(&frame->columns[rules->required[i]], row)))
            return ROW_MISSING;
    return ROW_USED;
}

static void count_state(const wp_frame *frame, const wp_rules *rules, uint32_t row, row_state state,
                        wp_loss *loss)
{
    if (state == ROW_USED && rules->outcome >= 0)
        loss->events += wp_frame_number(&frame->columns[rules->outcome], row) > 0;
    loss->used += state == ROW_USED;
    loss->missing += state == ROW_MISSING;
    loss->too_recent += state == ROW_TOO_RECENT;
    loss->prior_outcome += state == ROW_PRIOR;
}

void wp_frame_loss(const wp_frame *frame, const wp_rules *rules, wp_loss *loss)
{
    *loss = (wp_loss){0};
    for (uint32_t row = 0; row < frame->rows_count; row++)
        count_state(frame, rules, row, state_of(frame, rules, row), loss);
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

wp_status wp_frame_settle(wp_frame *frame, const wp_rules *rules, wp_loss *loss, wp_error *err)
{
    uint8_t *keep = wp_alloc_array(frame->rows_count, 1);
    if (keep == NULL)
        return wp_fail_memory(err, frame->rows_count);
    *loss = (wp_loss){0};
    for (uint32_t row = 0; row < frame->rows_count; row++) {
        row_state state = state_of(frame, rules, row);
        count_state(frame, rules, row, state, loss);
        keep[row] = state == ROW_USED || state == ROW_MISSING;
    }
    uint32_t kept = (uint32_t)(loss->used + loss->missing);
    if (kept < frame->rows_count)
        keep_rows(frame, keep);
    frame->rows_count = kept;
    wp_free(keep);
    return WP_OK;
}

/* Writing frames chunk by chunk; see frame_writer.h. */
#include "journey/frame_writer.h"

#include "base/memory.h"

static bool is_count(const wp_frame_column *column)
{
    return column->type == WP_CELL_U32 && column->texts == NULL;
}

static wp_status make_frame(const wp_plan *plan, const wp_columns *columns, uint32_t rows,
                            bool narrow, wp_frame **out, wp_error *err)
{
    WP_TRY(wp_frame_new(rows, plan->columns_count, out, err));
    wp_frame *frame = *out;
    frame->users = wp_alloc_array(rows, sizeof *frame->users);
    frame->t0 = (wp_times){.base_us = columns->times.base_us,
                           .unit_us = columns->times.unit_us,
                           .wide = columns->times.wide};
    wp_times_set_data(&frame->t0, wp_alloc_array(rows, wp_times_width(&frame->t0)));
    frame->end_us = plan->until != NULL ? wp_alloc_array(rows, sizeof *frame->end_us) : NULL;
    if (frame->users == NULL || wp_times_data(&frame->t0) == NULL ||
        (plan->until != NULL && frame->end_us == NULL))
        return wp_fail_memory(err, rows * 16ULL);
    for (uint32_t i = 0; i < plan->columns_count; i++) {
        wp_frame_column *column = &frame->columns[i];
        column->type = plan->columns[i].type;
        column->integral = plan->columns[i].integral;
        column->texts = plan->columns[i].texts;
        column->code_0_missing = plan->columns[i].code_0_missing;
        size_t width = narrow && is_count(column) ? 1 : wp_cell_width(column->type);
        if ((column->data = wp_alloc_array(rows, width)) == NULL)
            return wp_fail_memory(err, rows * width);
    }
    return WP_OK;
}

wp_status wp_frame_of_plan(const wp_plan *plan, const wp_columns *columns, uint32_t rows_count,
                           wp_frame **out, wp_error *err)
{
    wp_frame *frame = NULL;
    wp_status status = make_frame(plan, columns, rows_count, false, &frame, err);
    if (status == WP_OK)
        *out = frame;
    else
        wp_frame_free(frame);
    return status;
}

wp_status wp_frame_writer_start(wp_frame_writer *writer, const wp_plan *plan,
                                const wp_columns *columns, uint32_t rows_count,
                                uint32_t chunks_count, wp_error *err)
{
    size_t chunks = chunks_count, blocks = chunks * plan->columns_count;
    *writer = (wp_frame_writer){.chunks_count = chunks_count};
    WP_TRY(make_frame(plan, columns, rows_count, true, &writer->frame, err));
    writer->chunks = wp_alloc_array_zero(chunks, sizeof *writer->chunks);
    writer->wide = wp_alloc_array_zero(blocks, sizeof *writer->wide);
    if (writer->chunks == NULL || writer->wide == NULL)
        return wp_fail_memory(err, (chunks + blocks) * 8);
    return WP_OK;
}

wp_frame *wp_frame_writer_end(wp_frame_writer *writer)
{
    wp_frame *frame = writer->frame;
    size_t blocks = writer->wide != NULL ? writer->chunks_count * (size_t)frame->columns_count : 0;
    for (size_t i = 0; i < blocks; i++)
        wp_free(writer->wide[i]);
    wp_free(writer->wide);
    wp_free(writer->chunks);
    *writer = (wp_frame_writer){0};
    return frame;
}

/* --- Chunks -------------------------------------------------------------------------------- */

static bool all_bytes(const uint32_t *counts, uint32_t rows)
{
    uint32_t beyond = 0;
    for (uint32_t row = 0; row < rows; row++)
        beyond |= (counts[row] + 1) >> 8; /* missing becomes 0 */
    return beyond == 0;
}

static wp_status put_counts(wp_frame_writer *writer, size_t block, uint8_t *bytes,
                            const uint32_t *counts, uint32_t rows, wp_error *err)
{
    if (all_bytes(counts, rows)) {
        for (uint32_t row = 0; row < rows; row++)
            bytes[row] = (uint8_t)counts[row];
        return WP_OK;
    }
    uint32_t *own = wp_alloc_array(rows, sizeof *own);
    if (own == NULL)
        return wp_fail_memory(err, rows * 4ULL);
    memcpy(own, counts, rows * sizeof *own);
    writer->wide[block] = own;
    return WP_OK;
}

wp_status wp_frame_put(wp_frame_writer *writer, size_t chunk, uint32_t first, const wp_frame *rows,
                       uint32_t count, wp_error *err)
{
    wp_frame *frame = writer->frame;
    writer->chunks[chunk] = (wp_frame_chunk){first, count};
    for (uint32_t i = 0; i < frame->columns_count; i++) {
        const wp_frame_column *from = &rows->columns[i];
        char *to = frame->columns[i].data;
        size_t width = wp_cell_width(from->type);
        if (is_count(from))
            WP_TRY(put_counts(writer, chunk * frame->columns_count + i, (uint8_t *)to + first,
                              from->data, count, err));
        else
            memcpy(to + first * width, from->data, count * width);
    }
    memcpy(frame->users + first, rows->users, count * sizeof *rows->users);
    size_t width = wp_times_width(&rows->t0);
    memcpy((char *)wp_times_data(&frame->t0) + first * width, wp_times_data(&rows->t0),
           count * width);
    if (rows->end_us != NULL)
        memcpy(frame->end_us + first, rows->end_us, count * sizeof *rows->end_us);
    return WP_OK;
}

/* --- Joining ------------------------------------------------------------------------------- */

/* Moves the cells of all chunks together; the array, no longer than they are. */
static void *join_cells(const wp_frame_writer *writer, void *cells, size_t width)
{
    char *data = cells;
    size_t to = 0;
    for (uint32_t chunk = 0; chunk < writer->chunks_count; chunk++) {
        const wp_frame_chunk *from = &writer->chunks[chunk];
        if (to != from->first && from->count > 0)
            memmove(data + to * width, data + from->first * width, from->count * width);
        to += from->count;
    }
    void *less = wp_realloc_array(data, to, width);
    return less != NULL ? less : data;
}

/* The same for a column of counts, some of whose chunks are wide. */
static wp_status join_wide(const wp_frame_writer *writer, size_t column, wp_error *err)
{
    wp_frame_column *to = &writer->frame->columns[column];
    const uint8_t *bytes = to->data;
    size_t rows = 0, columns = writer->frame->columns_count;
    for (uint32_t chunk = 0; chunk < writer->chunks_count; chunk++)
        rows += writer->chunks[chunk].count;
    uint32_t *counts = wp_alloc_array(rows, sizeof *counts), *at = counts;
    if (counts == NULL)
        return wp_fail_memory(err, rows * 4);
    for (uint32_t chunk = 0; chunk < writer->chunks_count; chunk++) {
        const wp_frame_chunk *from = &writer->chunks[chunk];
        uint32_t **block = &writer->wide[chunk * columns + column];
        if (*block != NULL)
            memcpy(at, *block, from->count * sizeof *at);
        for (uint32_t row = 0; *block == NULL && row < from->count; row++) {
            uint8_t byte = bytes[from->first + row];
            at[row] = byte == UINT8_MAX ? UINT32_MAX : byte;
        }
        at += from->count;
        wp_free(*block);
        *block = NULL;
    }
    wp_free(to->data);
    to->data = counts;
    return WP_OK;
}

static wp_status join_column(const wp_frame_writer *writer, size_t column, wp_error *err)
{
    wp_frame_column *to = &writer->frame->columns[column];
    bool wide = false;
    for (size_t chunk = 0; chunk < writer->chunks_count; chunk++)
        wide |= writer->wide[chunk * writer->frame->columns_count + column] != NULL;
    if (wide)
        return join_wide(writer, column, err);
    if (is_count(to))
        to->type = WP_CELL_U8;
    to->data = join_cells(writer, to->data, wp_cell_width(to->type));
    return WP_OK;
}

/* One array of the frame: a column, or one of the three others. */
static wp_status join_array(void *context, size_t array, unsigned worker, wp_error *err)
{
    (void)worker;
    const wp_frame_writer *writer = context;
    wp_frame *frame = writer->frame;
    size_t columns = frame->columns_count;
    if (array < columns)
        return join_column(writer, array, err);
    if (array == columns)
        frame->users = join_cells(writer, frame->users, sizeof *frame->users);
    else if (array == columns + 2)
        frame->end_us = join_cells(writer, frame->end_us, sizeof *frame->end_us);
    else
        wp_times_set_data(
            &frame->t0, join_cells(writer, wp_times_data(&frame->t0), wp_times_width(&frame->t0)));
    return WP_OK;
}

wp_status wp_frame_join(wp_frame_writer *writer, const wp_run *run, wp_error *err)
{
    wp_frame *frame = writer->frame;
    size_t arrays = frame->columns_count + (frame->end_us != NULL ? 3 : 2);
    WP_TRY(wp_pool_run(run, arrays, join_array, writer, err));
    frame->rows_count = 0;
    for (uint32_t chunk = 0; chunk < writer->chunks_count; chunk++)
        frame->rows_count += writer->chunks[chunk].count;
    return WP_OK;
}

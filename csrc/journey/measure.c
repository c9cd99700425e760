/* The measuring pass; see measure.h. */
#include "journey/measure.h"

#include "base/memory.h"
#include "journey/frame_writer.h"
#include "journey/metric.h"
#include "store/scan.h"

#define ROWS_PER_CHUNK  16384u
#define USERS_PER_CHUNK WP_SETTLE_ROWS
#define NO_ANCHOR       UINT32_MAX
#define OUTSIDE         (UINT32_MAX - 1)

typedef struct chunk_part {
    uint32_t frame_row;  /* its first; room for one row per anchor from there on */
    uint32_t rows, stay; /* anchors; rows that stay */
    uint32_t outside;
    wp_loss loss;
} chunk_part;

typedef struct worker_room {
    bool ready;
    wp_span span;
    wp_metric_room metric;
    wp_frame *rows;  /* of one chunk, until it is known who stays */
    double *numbers; /* leaf after leaf, users_room each */
    double *stack;   /* operand after operand, users_room each */
} worker_room;

typedef struct measuring {
    const wp_log *log;
    const wp_plan *plan;
    uint32_t chunks_count;
    uint32_t *chunk_users; /* first user of each chunk, and one more */
    uint32_t *anchors;     /* by user: log row, NO_ANCHOR or OUTSIDE; NULL: everybody's first row */
    chunk_part *parts;
    int64_t latest_us; /* t0 of those who can have enough follow-up */
    wp_rules rules;    /* of the plan; of the required columns only those that can lack a number */
    uint32_t frame_rows; /* of all chunks, before anybody is lost */
    uint32_t users_room, rows_room;
    uint32_t stack_depth;
    uint64_t *mask_table;
    worker_room *rooms;
    uint32_t rooms_count;
    wp_frame_writer writer;
} measuring;

/* --- Chunks -------------------------------------------------------------------------------- */

/* First user in [low, high] whose rows start at or after `row`; high when none does. */
static uint32_t user_at_row(const wp_columns *columns, uint32_t low, uint32_t high, uint64_t row)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (columns->row_starts[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Chunks of about ROWS_PER_CHUNK rows and at most USERS_PER_CHUNK users; they depend on the log
** only. */
static wp_status cut_chunks(measuring *m, wp_error *err)
{
    const wp_columns *columns = m->log->columns;
    uint32_t most = columns->events_count / ROWS_PER_CHUNK +
                    columns->users_count / USERS_PER_CHUNK + columns->parts_count + 2;
    m->chunk_users = wp_alloc_array(most + 1, sizeof *m->chunk_users);
    if (m->chunk_users == NULL)
        return wp_fail_memory(err, (most + 1ULL) * sizeof *m->chunk_users);
    uint32_t count = 0, user = 0, part = 0;
    uint64_t row = 0;
    while (user < columns->users_count) {
        m->chunk_users[count++] = user;
        row = columns->row_starts[user] + (uint64_t)ROWS_PER_CHUNK;
        while (columns->part_users != NULL && columns->part_users[part + 1] <= user)
            part++;
        uint32_t end =
            columns->part_users != NULL ? columns->part_users[part + 1] : columns->users_count;
        uint32_t left = end - user;
        uint32_t most_users = left < USERS_PER_CHUNK ? left : USERS_PER_CHUNK;
        uint32_t next = user_at_row(columns, user, user + most_users, row);
        if (next <= user)
            next = user + 1;
        uint32_t rows = columns->row_starts[next] - columns->row_starts[user];
        m->rows_room = rows > m->rows_room ? rows : m->rows_room;
        m->users_room = next - user > m->users_room ? next - user : m->users_room;
        user = next;
    }
    m->chunk_users[count] = user;
    m->chunks_count = count;
    return WP_OK;
}

/* --- Anchors ------------------------------------------------------------------------------- */

static uint32_t find_anchor(const wp_log *log, const wp_plan *plan, uint32_t user)
{
    const wp_columns *columns = log->columns;
    uint32_t end = columns->row_starts[user + 1], row = columns->row_starts[user];
    while (row < end && (!wp_bit(log->rows, row) ||
                         (plan->from != NULL && !wp_selection_has(columns, plan->from, user, row))))
        row++;
    if (row >= end)
        return NO_ANCHOR;
    if (plan->population != NULL && !wp_selection_has(columns, plan->population, user, row))
        return OUTSIDE;
    return row;
}

static wp_status anchor_chunk(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                              wp_error *err)
{
    (void)worker;
    (void)err;
    measuring *m = context;
    chunk_part *part = &m->parts[piece.chunk];
    for (uint32_t user = piece.first; user < piece.last; user++) {
        uint32_t anchor = NO_ANCHOR;
        if (wp_bit(log->users, user)) {
            anchor = find_anchor(log, m->plan, user);
            part->rows += anchor < OUTSIDE;
            part->outside += anchor == OUTSIDE;
        }
        m->anchors[user] = anchor;
    }
    return WP_OK;
}

/* Everybody's first row is the anchor: only users without rows have none. */
static wp_status count_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    measuring *m = context;
    const uint32_t *starts = m->log->columns->row_starts;
    uint32_t rows = 0;
    for (uint32_t user = m->chunk_users[chunk]; user < m->chunk_users[chunk + 1]; user++)
        rows += starts[user] < starts[user + 1];
    m->parts[chunk].rows = rows;
    return WP_OK;
}

static wp_status find_anchors(measuring *m, const wp_run *run, wp_error *err)
{
    size_t users = m->log->columns->users_count;
    bool first_rows = m->plan->from == NULL && m->plan->population == NULL && m->log->rows == NULL;
    m->parts = wp_alloc_array_zero(m->chunks_count, sizeof *m->parts);
    if (m->parts == NULL)
        return wp_fail_memory(err, m->chunks_count * sizeof *m->parts);
    if (!first_rows && (m->anchors = wp_alloc_array(users, sizeof *m->anchors)) == NULL)
        return wp_fail_memory(err, users * sizeof *m->anchors);
    wp_reads reads = wp_selection_reads(m->plan->from) | wp_selection_reads(m->plan->population);
    WP_TRY(first_rows ? wp_pool_run(run, m->chunks_count, count_chunk, m, err)
                      : wp_log_scan(m->log, reads, m->chunk_users, m->chunks_count, run,
                                    anchor_chunk, m, err));
    uint32_t rows = 0;
    for (uint32_t chunk = 0; chunk < m->chunks_count; chunk++) {
        m->parts[chunk].frame_row = rows;
        rows += m->parts[chunk].rows;
    }
    m->frame_rows = rows;
    return WP_OK;
}

/* --- Programs ------------------------------------------------------------------------------ */

static void fill(double *out, double number, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = number;
}

static void apply_pair(wp_op_kind kind, double *left, const double *right, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        double a = left[i], b = right[i], result = NAN;
        if (kind == WP_OP_ADD)
            result = a + b;
        else if (kind == WP_OP_SUBTRACT)
            result = a - b;
        else if (kind == WP_OP_MULTIPLY)
            result = a * b;
        else if (b != 0)
            result = a / b;
        left[i] = isfinite(result) ? result : NAN;
    }
}

static void apply_one(const wp_op *op, double *numbers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        double a = numbers[i];
        if (op->kind == WP_OP_DEFAULT) {
            numbers[i] = isnan(a) ? op->number : a;
        } else if (isnan(a)) {
            continue;
        } else if (op->kind == WP_OP_LOG1P) {
            double result = log1p(a);
            numbers[i] = isfinite(result) ? result : NAN;
        } else if (op->kind == WP_OP_AT_LEAST) {
            numbers[i] = a >= op->number;
        } else {
            numbers[i] = a < op->number ? a : op->number;
        }
    }
}

/* Runs a column's program over all users of the span; the result is in the first operand. */
static const double *run_program(const measuring *m, const worker_room *room,
                                 const wp_plan_column *column)
{
    uint32_t count = room->span.users_count, depth = 0;
    const wp_op *ops = m->plan->ops + column->first_op;
    if (column->ops_count == 1 && ops[0].kind == WP_OP_LEAF)
        return room->numbers + (size_t)ops[0].leaf * m->users_room;
    for (uint32_t k = 0; k < column->ops_count; k++) {
        double *top = room->stack + (size_t)depth * m->users_room;
        switch (ops[k].kind) {
        case WP_OP_LEAF:
            memcpy(top, room->numbers + (size_t)ops[k].leaf * m->users_room, count * sizeof *top);
            depth++;
            break;
        case WP_OP_CONSTANT:
            fill(top, ops[k].number, count);
            depth++;
            break;
        case WP_OP_ADD:
        case WP_OP_SUBTRACT:
        case WP_OP_MULTIPLY:
        case WP_OP_DIVIDE:
            apply_pair(ops[k].kind, top - 2 * (size_t)m->users_room, top - m->users_room, count);
            depth--;
            break;
        default:
            apply_one(&ops[k], top - m->users_room, count);
            break;
        }
    }
    return room->stack;
}

static void store_column(wp_frame_column *column, const double *numbers, uint32_t count)
{
    switch (column->type) {
    case WP_CELL_U8: {
        uint8_t *cells = column->data;
        for (uint32_t i = 0; i < count; i++)
            cells[i] = isnan(numbers[i]) ? UINT8_MAX : (uint8_t)numbers[i];
        break;
    }
    case WP_CELL_U32: {
        uint32_t *cells = column->data;
        for (uint32_t i = 0; i < count; i++)
            cells[i] = isnan(numbers[i]) ? UINT32_MAX : (uint32_t)numbers[i];
        break;
    }
    case WP_CELL_I64: {
        int64_t *cells = column->data;
        for (uint32_t i = 0; i < count; i++)
            cells[i] = isnan(numbers[i]) ? WP_TIME_MISSING : (int64_t)numbers[i];
        break;
    }
    default:
        memcpy(column->data, numbers, count * sizeof *numbers);
        break;
    }
}

/* --- The pass ------------------------------------------------------------------------------ */

static wp_status prepare_room(const measuring *m, const wp_log *log, worker_room *room,
                              wp_error *err)
{
    WP_TRY(
        wp_span_init(&room->span, log, m->plan, m->users_room, m->rows_room, m->mask_table, err));
    room->ready = true;
    room->span.latest_us = m->latest_us;
    WP_TRY(wp_metric_room_init(&room->metric, m->plan, log->columns, m->users_room, m->rows_room,
                               err));
    WP_TRY(wp_frame_of_plan(m->plan, log->columns, m->users_room, &room->rows, err));
    size_t users = m->users_room;
    room->numbers = wp_alloc_array(users, m->plan->leaves_count * sizeof(double));
    room->stack = wp_alloc_array(users, m->stack_depth * sizeof(double));
    if (room->numbers == NULL || room->stack == NULL)
        return wp_fail_memory(err, users * (m->plan->leaves_count + m->stack_depth) * 8ULL);
    return WP_OK;
}

static void reset_room(worker_room *room)
{
    if (!room->ready)
        return;
    wp_span_reset(&room->span);
    wp_metric_room_reset(&room->metric);
    wp_frame_free(room->rows);
    wp_free(room->numbers);
    wp_free(room->stack);
}

static void run_leaves(const measuring *m, worker_room *room, uint32_t first_row)
{
    const wp_span *span = &room->span;
    for (uint32_t i = 0; i < m->plan->leaves_count; i++) {
        const wp_leaf *leaf = &m->plan->leaves[i];
        wp_leaf_run run = {span,
                           leaf,
                           span->lo[leaf->window],
                           span->hi[leaf->window],
                           &room->metric,
                           first_row,
                           room->numbers + (size_t)i * m->users_room};
        wp_leaf_measure(&run);
    }
}

static wp_status measure_chunk(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                               wp_error *err)
{
    measuring *m = context;
    worker_room *room = &m->rooms[worker];
    chunk_part *part = &m->parts[piece.chunk];
    if (part->rows == 0)
        return WP_OK;
    if (!room->ready)
        WP_TRY(prepare_room(m, log, room, err));
    wp_frame *rows = room->rows;
    wp_span *span = &room->span;
    wp_span_load(span, log, m->anchors, piece.first, piece.last);
    run_leaves(m, room, part->frame_row);
    uint32_t count = span->users_count;
    for (uint32_t i = 0; i < m->plan->columns_count; i++)
        store_column(&rows->columns[i], run_program(m, room, &m->plan->columns[i]), count);
    memcpy(rows->users, span->users, count * sizeof *span->users);
    if (rows->t0.wide)
        memcpy(rows->t0.micros, span->t0_us, count * sizeof *span->t0_us);
    else
        for (uint32_t i = 0; i < count; i++)
            rows->t0.offsets[i] = (uint32_t)span->t0_ticks[i];
    if (rows->end_us != NULL)
        memcpy(rows->end_us, span->end_us, count * sizeof *span->end_us);
    part->stay = count;
    if (m->plan->has_rules) {
        part->loss.too_recent = span->late_count;
        bool all_seen = m->latest_us != INT64_MAX && m->plan->until == NULL;
        part->stay = wp__frame_settle(rows, &m->rules, count, span->t0_us,
                                      all_seen ? NULL : span->end_us, &part->loss);
    }
    return wp_frame_put(&m->writer, piece.chunk, part->frame_row, rows, part->stay, err);
}

static wp_status read_rules(measuring *m, wp_error *err)
{
    const wp_rules *rules = &m->plan->rules;
    m->rules = *rules;
    m->rules.required_count = 0;
    m->rules.required = wp_alloc_array(rules->required_count, sizeof *rules->required);
    if (m->rules.required == NULL)
        return wp_fail_memory(err, rules->required_count * sizeof *rules->required);
    for (uint32_t i = 0; i < rules->required_count; i++)
        if (wp_plan_may_miss(m->plan, rules->required[i]))
            m->rules.required[m->rules.required_count++] = rules->required[i];
    return WP_OK;
}

static wp_status make_frame(measuring *m, wp_error *err)
{
    const wp_plan *plan = m->plan;
    uint32_t rows = m->frame_rows;
    bool dated = plan->has_rules && plan->as_of_us != WP_TIME_MISSING;
    m->latest_us = dated ? plan->as_of_us - plan->rules.needed_us : INT64_MAX;
    for (uint32_t i = 0; i < plan->leaves_count; i++) {
        if (plan->leaves[i].kind != WP_LEAF_GIVEN)
            continue;
        if (plan->leaves[i].given_count != rows)
            return wp_fail(err, WP_INVALID, "plan: leaf %u brings %zu numbers (expected %u)", i + 1,
                           plan->leaves[i].given_count, rows);
        m->latest_us = INT64_MAX; /* the numbers are those of everybody */
    }
    WP_TRY(wp_frame_writer_start(&m->writer, plan, m->log->columns, rows, m->chunks_count, err));
    wp_frame *frame = m->writer.frame;
    frame->log = wp_log_retain((wp_log *)m->log);
    frame->as_of_us = plan->as_of_us;
    frame->users_total = m->log->users_count;
    for (uint32_t chunk = 0; chunk < m->chunks_count; chunk++)
        frame->outside += m->parts[chunk].outside;
    frame->no_anchor = frame->users_total - frame->outside - rows;
    return WP_OK;
}

/* Moves the rows that stay together, and adds up why the others do not. */
static wp_status join_chunks(measuring *m, const wp_run *run, wp_error *err)
{
    WP_TRY(wp_frame_join(&m->writer, run, err));
    wp_loss *loss = &m->writer.frame->loss;
    for (uint32_t chunk = 0; chunk < m->chunks_count; chunk++) {
        const wp_loss *own = &m->parts[chunk].loss;
        loss->used += own->used;
        loss->missing += own->missing;
        loss->too_recent += own->too_recent;
        loss->prior_outcome += own->prior_outcome;
        loss->events += own->events;
    }
    return WP_OK;
}

static uint32_t deepest_program(const wp_plan *plan)
{
    uint32_t deepest = 1;
    for (uint32_t i = 0; i < plan->columns_count; i++) {
        uint32_t depth = 0;
        for (uint32_t k = 0; k < plan->columns[i].ops_count; k++) {
            wp_op_kind kind = plan->ops[plan->columns[i].first_op + k].kind;
            depth += kind == WP_OP_LEAF || kind == WP_OP_CONSTANT;
            depth -= kind >= WP_OP_ADD && kind <= WP_OP_DIVIDE;
            deepest = depth > deepest ? depth : deepest;
        }
    }
    return deepest;
}

static wp_status measure_all(measuring *m, const wp_run *run, wp_error *err)
{
    WP_TRY(cut_chunks(m, err));
    WP_TRY(find_anchors(m, run, err));
    WP_TRY(read_rules(m, err));
    WP_TRY(make_frame(m, err));
    m->stack_depth = deepest_program(m->plan);
    m->mask_table = wp_mask_table(m->plan, m->log->columns, err);
    if (m->mask_table == NULL)
        return WP_NO_MEMORY;
    m->rooms_count = wp_run_threads(run);
    m->rooms = wp_alloc_array_zero(m->rooms_count, sizeof *m->rooms);
    if (m->rooms == NULL)
        return wp_fail_memory(err, m->rooms_count * sizeof *m->rooms);
    WP_TRY(wp_log_scan(m->log, WP_READS_ROWS, m->chunk_users, m->chunks_count, run, measure_chunk,
                       m, err));
    return join_chunks(m, run, err);
}

wp_status wp_measure(const wp_log *log, const wp_plan *plan, const wp_run *run, wp_frame **out,
                     wp_error *err)
{
    WP_TRY(wp_plan_check(plan, log->columns, err));
    measuring m = {.log = log, .plan = plan};
    wp_status status = measure_all(&m, run, err);
    for (uint32_t i = 0; i < m.rooms_count && m.rooms != NULL; i++)
        reset_room(&m.rooms[i]);
    wp_free(m.rooms);
    wp_free(m.mask_table);
    wp_free(m.chunk_users);
    wp_free(m.anchors);
    wp_free(m.parts);
    wp_free(m.rules.required);
    wp_frame *frame = wp_frame_writer_end(&m.writer);
    if (status == WP_OK)
        *out = frame;
    else
        wp_frame_free(frame);
    return status;
}

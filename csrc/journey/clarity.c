/* First meetings against controls, stage by stage and item by item. Totals per stratum are counted
** once per stage; an item's controls are the totals less what its own people did from their meeting
** on. */
#include "journey/clarity_internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

typedef struct cells {
    double n[WP_CLARITY_CELLS];
    double follows[WP_CLARITY_CELLS][WP_FOLLOWS];
} cells;

#define MOVED_LEAST      20u /* fewer who moved on tell nothing about what all must pass */
#define STRUCTURAL_SHARE 0.95
#define PLACES_LEAST     20 /* people with two touches, of those who moved on and of the others */
#define KNOWN_ROWS       3u /* rows before a touch from which on activity is known a little */

/* One item at the stage: the stays that met it, ascending. */
typedef struct item_task {
    uint32_t item;
    size_t first, count;
    uint32_t passed; /* of the people who moved on, those who met it before */
    bool structural;
} item_task;

typedef struct worker_room {
    cells met, gone; /* meetings; what no longer is a control, meetings included */
    double share[WP_CLARITY_CELLS], level[WP_CLARITY_CELLS]; /* that met, that advanced */
    bool used[WP_CLARITY_CELLS];
} worker_room;

/* Everything about one stage, and the items found so far. */
typedef struct clarity_work {
    const wp_stays *stays;
    const wp_clarity_options *options;
    wp_touches touches;
    cells totals, crude_totals;
    uint32_t moved;      /* people who moved on with all touches observed */
    uint32_t *meetings;  /* stays of the stage, by item */
    uint8_t *no_control; /* by item: it is structural */
    item_task *tasks;
    size_t tasks_count;
    wp_clarity_item *items; /* of all stages so far; the last tasks_count ones are the stage's */
    size_t items_count;
    uint64_t rare_count, touches_count;
    worker_room **rooms;
    unsigned workers_count;
} clarity_work;

/* --- Counting totals and meetings ----------------------------------------------------------- */

/* Calls for the first touch of every item in every stay. stamps: per item, the last stay + 1. */
#define EACH_MEETING(touches, stamps, item, stay)                                                  \
    for (size_t stay = 0; stay < (touches)->total; stay++)                                         \
        for (uint32_t at_ = (touches)->starts[stay], item; at_ < (touches)->starts[stay + 1];      \
             at_++)                                                                                \
            if ((item = wp_touch_item(touches, at_)) != 0 && (stamps)[item] != stay + 1 &&         \
                ((stamps)[item] = (uint32_t)(stay + 1)))

/* The stays that met each item, and tasks for the items that enough people met. */
static wp_status find_meetings(clarity_work *work, uint32_t *stamps, size_t *places, wp_error *err)
{
    const wp_touches *touches = &work->touches;
    size_t items = (size_t)touches->items_count + 1;
    EACH_MEETING(touches, stamps, item, stay)
    places[item]++;
    size_t total = 0;
    for (uint32_t item = 1; item < items; item++) {
        size_t met = places[item];
        places[item] = total;
        if (met >= work->options->users_least)
            work->tasks[work->tasks_count++] = (item_task){item, total, met, 0, false};
        else
            work->rare_count += met > 0;
        total += met;
    }
    work->meetings = wp_alloc_array(total + 1, sizeof *work->meetings);
    if (work->meetings == NULL)
        return wp_fail_memory(err, total * sizeof *work->meetings);
    memset(stamps, 0, items * sizeof *stamps);
    EACH_MEETING(touches, stamps, item, stay)
    work->meetings[places[item]++] = (uint32_t)stay;
    return WP_OK;
}

/* Finds the structural items among the tasks. */
static void mark_structural(clarity_work *work)
{
    work->moved = 0;
    for (size_t i = 0; i < work->touches.total / 64 + 1; i++)
        work->moved += (uint32_t)__builtin_popcountll(work->touches.moved[i]);
    for (size_t t = 0; t < work->tasks_count; t++) {
        item_task *task = &work->tasks[t];
        for (size_t m = task->first; m < task->first + task->count; m++)
            task->passed += wp_bit(work->touches.moved, work->meetings[m]);
        task->structural =
            work->moved >= MOVED_LEAST && task->passed >= STRUCTURAL_SHARE * work->moved;
        work->no_control[task->item] = task->structural;
    }
}

static void count_totals(clarity_work *work)
{
    const wp_touches *touches = &work->touches;
    memset(&work->totals, 0, sizeof work->totals);
    memset(&work->crude_totals, 0, sizeof work->crude_totals);
    for (size_t at = 0; at < touches->starts[touches->total]; at++) {
        if (work->no_control[wp_touch_item(touches, at)])
            continue;
        uint32_t cell = wp_touch_cell(touches, at), crude = wp_crude_cell(cell);
        wp_follow follow = wp_touch_follow(touches, at);
        work->totals.n[cell]++;
        work->totals.follows[cell][follow]++;
        work->crude_totals.n[crude]++;
        work->crude_totals.follows[crude][follow]++;
    }
}

static wp_status count_stage(clarity_work *work, wp_error *err)
{
    size_t items = (size_t)work->touches.items_count + 1;
    uint32_t *stamps = wp_alloc_array_zero(items, sizeof *stamps);
    size_t *places = wp_alloc_array_zero(items, sizeof *places);
    work->tasks_count = 0;
    work->tasks = wp_alloc_array(items, sizeof *work->tasks);
    work->no_control = wp_alloc_array_zero(items, 1);
    wp_status status = WP_OK;
    if (stamps == NULL || places == NULL || work->tasks == NULL || work->no_control == NULL)
        status = wp_fail_memory(err, items * (sizeof *stamps + sizeof *places));
    if (status == WP_OK)
        status = find_meetings(work, stamps, places, err);
    wp_free(stamps);
    wp_free(places);
    if (status != WP_OK)
        return status;
    mark_structural(work);
    count_totals(work);
    work->touches_count += work->touches.starts[work->touches.total];
    return WP_OK;
}

/* --- One item ------------------------------------------------------------------------------- */

/* The first touch of an item in a stay that met it. */
static uint32_t meeting_at(const wp_touches *touches, uint32_t stay, uint32_t item)
{
    uint32_t at = touches->starts[stay];
    while (wp_touch_item(touches, at) != item)
        at++;
    return at;
}

/* Fills the meetings and all that their people did from there on, by stratum (or crude stratum). */
static void count_item(const clarity_work *work, const item_task *task, bool crude,
                       worker_room *room)
{
    const wp_touches *touches = &work->touches;
    memset(&room->met, 0, sizeof room->met);
    memset(&room->gone, 0, sizeof room->gone);
    for (size_t m = task->first; m < task->first + task->count; m++) {
        uint32_t stay = work->meetings[m], meeting = meeting_at(touches, stay, task->item);
        for (uint32_t at = meeting; at < touches->starts[stay + 1]; at++) {
            if (work->no_control[wp_touch_item(touches, at)])
                continue;
            uint32_t cell = wp_touch_cell(touches, at);
            wp_follow follow = wp_touch_follow(touches, at);
            cell = crude ? wp_crude_cell(cell) : cell;
            room->gone.n[cell]++;
            room->gone.follows[cell][follow]++;
            if (at > meeting)
                continue;
            room->met.n[cell]++;
            room->met.follows[cell][follow]++;
        }
    }
}

/* Whether enough rows came before the touches of a stratum to know how active people are. */
static bool is_known(uint32_t cell)
{
    uint32_t before = cell / 2 % WP_BEFORE_BINS;
    return before >= 2 || cell / (WP_TIME_BINS * WP_BEFORE_BINS * 2) >= KNOWN_ROWS;
}

/* A comparison over some strata: Mantel-Haenszel differences and control rates. */
typedef struct comparison {
    double weights; /* sum of n1 n0 / n */
    double difference[WP_FOLLOWS], rate[WP_FOLLOWS];
    uint32_t compared;
} comparison;

static comparison compare(const cells *totals, worker_room *room, uint32_t cells_count, bool known)
{
    comparison out = {0};
    for (uint32_t c = 0; c < cells_count; c++) {
        double n1 = room->met.n[c], n0 = totals->n[c] - room->gone.n[c];
        room->used[c] = n1 > 0 && n0 > 0 && (!known || is_known(c));
        if (!room->used[c])
            continue;
        double weight = n1 * n0 / (n1 + n0);
        out.weights += weight;
        out.compared += (uint32_t)n1;
        for (int f = 0; f < WP_FOLLOWS; f++) {
            double p1 = room->met.follows[c][f] / n1;
            double p0 = (totals->follows[c][f] - room->gone.follows[c][f]) / n0;
            out.difference[f] += weight * (p1 - p0);
            out.rate[f] += weight * p0;
        }
    }
    for (int f = 0; f < WP_FOLLOWS; f++) {
        out.difference[f] = out.weights > 0 ? out.difference[f] / out.weights : NAN;
        out.rate[f] = out.weights > 0 ? out.rate[f] / out.weights : NAN;
    }
    return out;
}

/* Adds one touch of a person: (x - mean x) (residual of the advance). */
static double touch_score(const clarity_work *work, const worker_room *room, uint32_t at, bool met,
                          double slope)
{
    uint32_t cell = wp_touch_cell(&work->touches, at);
    if (!room->used[cell] || work->no_control[wp_touch_item(&work->touches, at)])
        return 0;
    double x = (met ? 1 : 0) - room->share[cell];
    double y = (wp_touch_follow(&work->touches, at) == WP_ADVANCE ? 1 : 0) - room->level[cell];
    return x * (y - slope * x);
}

/* Standard error of the difference in advances: from the squared scores of people, over everybody
** at the stage, or from the binomial law under no difference where that is larger: scores vanish
** when nobody of a few moved on. NaN where fewer than two were compared. */
static double standard_error(const clarity_work *work, const item_task *task, worker_room *room,
                             const comparison *made)
{
    if (made->compared < 2 || made->weights <= 0)
        return NAN;
    const cells *totals = &work->totals;
    const wp_touches *touches = &work->touches;
    double binomial = 0;
    for (uint32_t c = 0; c < WP_CLARITY_CELLS; c++) {
        double n1 = room->met.n[c], n = n1 + totals->n[c] - room->gone.n[c];
        double y = room->met.follows[c][WP_ADVANCE] + totals->follows[c][WP_ADVANCE] -
                   room->gone.follows[c][WP_ADVANCE];
        room->share[c] = n > 0 ? n1 / n : 0;
        room->level[c] = n > 0 ? y / n : 0;
        if (room->used[c])
            binomial += n1 * (n - n1) / n * room->level[c] * (1 - room->level[c]);
    }
    double squares = 0;
    size_t next = task->first, end = task->first + task->count;
    for (size_t stay = 0; stay < touches->total; stay++) {
        uint32_t last = touches->starts[stay + 1], met = UINT32_MAX;
        if (next < end && work->meetings[next] == stay) {
            met = meeting_at(touches, work->meetings[next++], task->item);
            last = met + 1;
        }
        double score = 0;
        for (uint32_t at = touches->starts[stay]; at < last; at++)
            score += touch_score(work, room, at, at == met, made->difference[WP_ADVANCE]);
        squares += score * score;
    }
    double n = made->compared;
    squares *= n / (n - 1);
    return sqrt(squares > binomial ? squares : binomial) / made->weights;
}

/* Mean place of the item among the person's touches that may be controls; false: one touch. */
static bool mean_place(const clarity_work *work, const item_task *task, uint32_t stay, double *out)
{
    const wp_touches *own = &work->touches;
    uint32_t touches = 0, times = 0;
    double sum = 0;
    for (uint32_t at = own->starts[stay]; at < own->starts[stay + 1]; at++) {
        uint32_t item = wp_touch_item(own, at);
        if (work->no_control[item])
            continue;
        if (item == task->item) {
            sum += touches + 0.5;
            times++;
        }
        touches++;
    }
    *out = sum / times / touches - 0.5;
    return touches > 1;
}

static void compare_places(const clarity_work *work, const item_task *task, wp_clarity_item *out)
{
    double n[2] = {0}, sum[2] = {0}, squares[2] = {0}, place;
    for (size_t m = task->first; m < task->first + task->count; m++) {
        uint32_t stay = work->meetings[m];
        if (!mean_place(work, task, stay, &place))
            continue;
        bool moved = work->stays->stays[work->touches.first + stay].end != WP_NO_ROW;
        n[moved]++;
        sum[moved] += place;
        squares[moved] += place * place;
    }
    if (n[0] < PLACES_LEAST || n[1] < PLACES_LEAST)
        return;
    double variance = 0;
    for (int k = 0; k < 2; k++)
        variance += (squares[k] - sum[k] * sum[k] / n[k]) / (n[k] - 1) / n[k];
    out->place = sum[1] / n[1] - sum[0] / n[0];
    out->place_se = sqrt(variance > 0 ? variance : 0);
}

static wp_status item_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    clarity_work *work = context;
    (void)err;
    const item_task *task = &work->tasks[chunk];
    worker_room *room = work->rooms[worker];
    uint64_t key = work->touches.item_keys[task->item - 1];
    wp_clarity_item *out = &work->items[work->items_count + chunk];
    *out = (wp_clarity_item){.stage = work->touches.stage,
                             .code = (uint32_t)(key >> 32),
                             .value = (uint32_t)key,
                             .users_count = (uint32_t)task->count,
                             .passed_count = task->passed,
                             .moved_count = work->moved,
                             .structural = task->structural,
                             .se = NAN,
                             .known = NAN,
                             .known_se = NAN,
                             .place = NAN,
                             .place_se = NAN};
    if (task->structural)
        return WP_OK;
    count_item(work, task, true, room);
    const cells *totals = &work->totals;
    out->crude = compare(&work->crude_totals, room, WP_TIME_BINS, false).difference[WP_ADVANCE];
    count_item(work, task, false, room);
    comparison known = compare(totals, room, WP_CLARITY_CELLS, true);
    out->known = known.difference[WP_ADVANCE];
    out->known_se = standard_error(work, task, room, &known);
    comparison all = compare(totals, room, WP_CLARITY_CELLS, false);
    memcpy(out->difference, all.difference, sizeof out->difference);
    memcpy(out->rate, all.rate, sizeof out->rate);
    out->compared_count = all.compared;
    out->se = standard_error(work, task, room, &all);
    compare_places(work, task, out);
    return WP_OK;
}

/* --- All of it ------------------------------------------------------------------------------ */

static int by_stage_and_users(const void *a, const void *b)
{
    const wp_clarity_item *x = a, *y = b;
    if (x->stage != y->stage)
        return x->stage < y->stage ? -1 : 1;
    if (x->users_count != y->users_count)
        return x->users_count > y->users_count ? -1 : 1;
    if (x->code != y->code)
        return x->code < y->code ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static wp_status start_rooms(clarity_work *work, const wp_run *run, wp_error *err)
{
    work->workers_count = wp_run_threads(run);
    work->rooms = wp_alloc_array_zero(work->workers_count, sizeof *work->rooms);
    if (work->rooms == NULL)
        return wp_fail_memory(err, work->workers_count * sizeof *work->rooms);
    for (unsigned w = 0; w < work->workers_count; w++) {
        work->rooms[w] = wp_alloc(sizeof **work->rooms);
        if (work->rooms[w] == NULL)
            return wp_fail_memory(err, sizeof **work->rooms);
    }
    return WP_OK;
}

static wp_status compare_items(clarity_work *work, const wp_run *run, wp_error *err)
{
    size_t count = work->items_count + work->tasks_count;
    wp_clarity_item *items = wp_realloc_array(work->items, count + 1, sizeof *items);
    if (items == NULL)
        return wp_fail_memory(err, count * sizeof *items);
    work->items = items;
    WP_TRY(wp_pool_run(run, work->tasks_count, item_chunk, work, err));
    work->items_count = count;
    return WP_OK;
}

static void reset_stage(clarity_work *work)
{
    wp_free(work->tasks);
    wp_free(work->meetings);
    wp_free(work->no_control);
    work->tasks = NULL;
    work->meetings = NULL;
    work->no_control = NULL;
    wp__touches_reset(&work->touches);
}

wp_status wp_clarity_measure(const wp_stays *stays, const wp_stage_plan *plan,
                             const wp_clarity_options *options, const wp_run *run, wp_clarity *out,
                             wp_error *err)
{
    clarity_work *work = wp_alloc_zero(sizeof *work);
    if (work == NULL)
        return wp_fail_memory(err, sizeof *work);
    work->stays = stays;
    work->options = options;
    wp_status status = start_rooms(work, run, err);
    for (uint32_t stage = 0; status == WP_OK && stage < stays->stages_count; stage++) {
        status = wp__touches_make(stays, plan, options, stage, run, &work->touches, err);
        if (status == WP_OK)
            status = count_stage(work, err);
        if (status == WP_OK)
            status = compare_items(work, run, err);
        reset_stage(work);
    }
    if (status == WP_OK) {
        qsort(work->items, work->items_count, sizeof *work->items, by_stage_and_users);
        *out = (wp_clarity){work->items, work->items_count, work->rare_count, work->touches_count};
        work->items = NULL;
    }
    for (unsigned w = 0; work->rooms != NULL && w < work->workers_count; w++)
        wp_free(work->rooms[w]);
    wp_free(work->rooms);
    wp_free(work->items);
    wp_free(work);
    return status;
}

void wp_clarity_reset(wp_clarity *clarity)
{
    wp_free(clarity->items);
    *clarity = (wp_clarity){0};
}

/* First meetings against controls, item by item. Totals per stratum are counted once per stage; an
** item's controls are the totals less what its own people did from their meeting on. */
#include "journey/clarity_internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

typedef struct meeting {
    uint32_t item, stay;
    uint32_t place; /* of the touch in its stay */
} meeting;

typedef struct cells {
    double n[WP_CLARITY_CELLS];
    double follows[WP_CLARITY_CELLS][WP_FOLLOWS];
} cells;

#define MOVED_LEAST      20u /* fewer who moved on tell nothing about what all must pass */
#define STRUCTURAL_SHARE 0.95
#define PLACES_LEAST     20 /* people with two touches, of those who moved on and of the others */
#define KNOWN_ROWS       3u /* rows before a touch from which on activity is known a little */

/* One item at one stage: its meetings in the joined list, by stay. */
typedef struct item_task {
    uint32_t stage, item;
    size_t first, count;
    uint32_t passed; /* of the people who moved on, those who met it before */
    bool structural;
} item_task;

typedef struct worker_room {
    cells met, gone; /* meetings; what no longer is a control, meetings included */
    double share[WP_CLARITY_CELLS], level[WP_CLARITY_CELLS]; /* that met, that advanced */
    bool used[WP_CLARITY_CELLS];
} worker_room;

typedef struct clarity_work {
    const wp_stays *stays;
    wp_touches touches;
    cells *totals, *crude_totals; /* per stage */
    uint32_t *moved;              /* per stage: people who moved on with all touches observed */
    meeting *meetings;
    size_t meetings_count, meetings_capacity;
    item_task *tasks;
    size_t tasks_count;
    wp_clarity_item *items;
    worker_room **rooms;
    unsigned workers_count;
    const wp_clarity_options *options;
} clarity_work;

static const wp_touch *touch_at(const clarity_work *work, size_t stay, uint32_t place)
{
    return &work->touches.touches[work->touches.starts[stay] + place];
}

/* Whether the person moved on and every touch before was observed. */
static bool moved_on(const clarity_work *work, size_t s)
{
    const wp_stay *stay = &work->stays->stays[s];
    return stay->advance_us != WP_TIME_MISSING && work->touches.counts[s] > 0 &&
           work->touches.counts[s] == stay->exit_local - stay->entry_local;
}

/* --- Counting totals and meetings ----------------------------------------------------------- */

static wp_status add_meeting(clarity_work *work, uint32_t item, size_t stay, uint32_t place,
                             wp_error *err)
{
    if (work->meetings_count == work->meetings_capacity) {
        size_t capacity = work->meetings_capacity * 2 + 4096;
        meeting *meetings = wp_realloc_array(work->meetings, capacity, sizeof *meetings);
        if (meetings == NULL)
            return wp_fail_memory(err, capacity * sizeof *meetings);
        work->meetings = meetings;
        work->meetings_capacity = capacity;
    }
    work->meetings[work->meetings_count++] = (meeting){item, (uint32_t)stay, place};
    return WP_OK;
}

/* stamps: per item, the last stay that met it + 1. */
static wp_status find_meetings(clarity_work *work, uint32_t stage, uint32_t *stamps, wp_error *err)
{
    for (size_t s = work->stays->starts[stage]; s < work->stays->starts[stage + 1]; s++) {
        work->moved[stage] += moved_on(work, s);
        for (uint32_t i = 0; i < work->touches.counts[s]; i++) {
            const wp_touch *touch = touch_at(work, s, i);
            if (touch->item == WP_NO_ITEM || stamps[touch->item] == (uint32_t)(s + 1))
                continue;
            stamps[touch->item] = (uint32_t)(s + 1);
            WP_TRY(add_meeting(work, touch->item, s, i, err));
        }
    }
    return WP_OK;
}

/* Meetings of one stage, stably by item; tasks for the items that enough people met. */
static wp_status sort_stage(clarity_work *work, uint32_t stage, size_t first, uint32_t *places,
                            uint64_t *rare, wp_error *err)
{
    size_t count = work->meetings_count - first;
    meeting *sorted = wp_alloc_array(count + 1, sizeof *sorted);
    item_task *tasks = wp_realloc_array(
        work->tasks, work->tasks_count + work->touches.items_count + 1, sizeof *tasks);
    if (tasks != NULL)
        work->tasks = tasks;
    if (sorted == NULL || tasks == NULL) {
        wp_free(sorted);
        return wp_fail_memory(err, count * sizeof *sorted);
    }
    memset(places, 0, ((size_t)work->touches.items_count + 1) * sizeof *places);
    for (size_t i = first; i < work->meetings_count; i++)
        places[work->meetings[i].item + 1]++;
    for (uint32_t item = 0; item < work->touches.items_count; item++) {
        uint32_t met = places[item + 1];
        places[item + 1] += places[item];
        if (met >= work->options->users_least)
            tasks[work->tasks_count++] =
                (item_task){stage, item, first + places[item], met, 0, false};
        else
            *rare += met > 0;
    }
    for (size_t i = first; i < work->meetings_count; i++)
        sorted[places[work->meetings[i].item]++] = work->meetings[i];
    if (count > 0)
        memcpy(work->meetings + first, sorted, count * sizeof *sorted);
    wp_free(sorted);
    return WP_OK;
}

/* Finds the structural items among the stage's tasks (from `first` on) and marks their touches. */
static void mark_structural(clarity_work *work, uint32_t stage, size_t first, uint8_t *marks)
{
    memset(marks, 0, (size_t)work->touches.items_count + 1);
    uint32_t moved = 0;
    for (size_t s = work->stays->starts[stage]; s < work->stays->starts[stage + 1]; s++)
        moved += moved_on(work, s);
    work->moved[stage] = moved;
    for (size_t t = first; t < work->tasks_count; t++) {
        item_task *task = &work->tasks[t];
        for (size_t m = task->first; m < task->first + task->count; m++)
            task->passed += moved_on(work, work->meetings[m].stay);
        task->structural = moved >= MOVED_LEAST && task->passed >= STRUCTURAL_SHARE * moved;
        marks[task->item] = task->structural;
    }
    for (size_t s = work->stays->starts[stage]; s < work->stays->starts[stage + 1]; s++)
        for (uint32_t i = 0; i < work->touches.counts[s]; i++) {
            wp_touch *touch = &work->touches.touches[work->touches.starts[s] + i];
            touch->no_control = touch->item != WP_NO_ITEM && marks[touch->item];
        }
}

static void count_totals(clarity_work *work, uint32_t stage)
{
    cells *totals = &work->totals[stage], *crude = &work->crude_totals[stage];
    for (size_t s = work->stays->starts[stage]; s < work->stays->starts[stage + 1]; s++)
        for (uint32_t i = 0; i < work->touches.counts[s]; i++) {
            const wp_touch *touch = touch_at(work, s, i);
            if (touch->no_control)
                continue;
            totals->n[touch->cell]++;
            totals->follows[touch->cell][touch->follow]++;
            crude->n[touch->crude]++;
            crude->follows[touch->crude][touch->follow]++;
        }
}

static wp_status count_stage(clarity_work *work, uint32_t stage, uint32_t *stamps, uint32_t *places,
                             uint64_t *rare, wp_error *err)
{
    size_t first = work->meetings_count, first_task = work->tasks_count;
    WP_TRY(find_meetings(work, stage, stamps, err));
    WP_TRY(sort_stage(work, stage, first, places, rare, err));
    mark_structural(work, stage, first_task, (uint8_t *)places);
    count_totals(work, stage);
    return WP_OK;
}

static wp_status count_all(clarity_work *work, uint64_t *rare, wp_error *err)
{
    size_t items = (size_t)work->touches.items_count + 1;
    uint32_t stages = work->stays->stages_count;
    uint32_t *stamps = wp_alloc_array_zero(items, sizeof *stamps);
    uint32_t *places = wp_alloc_array(items, sizeof *places);
    work->totals = wp_alloc_array_zero(stages, sizeof *work->totals);
    work->crude_totals = wp_alloc_array_zero(stages, sizeof *work->crude_totals);
    work->moved = wp_alloc_array_zero(stages, sizeof *work->moved);
    wp_status status = WP_OK;
    if (stamps == NULL || places == NULL || work->totals == NULL || work->crude_totals == NULL ||
        work->moved == NULL)
        status = wp_fail_memory(err, items * sizeof *stamps + stages * sizeof *work->totals);
    for (uint32_t stage = 0; stage < stages && status == WP_OK; stage++)
        status = count_stage(work, stage, stamps, places, rare, err);
    wp_free(stamps);
    wp_free(places);
    return status;
}

/* --- One item ------------------------------------------------------------------------------- */

/* Fills the meetings and all that their people did from there on, by stratum (or crude stratum). */
static void count_item(const clarity_work *work, const item_task *task, bool crude,
                       worker_room *room)
{
    memset(&room->met, 0, sizeof room->met);
    memset(&room->gone, 0, sizeof room->gone);
    for (size_t m = task->first; m < task->first + task->count; m++) {
        const meeting *met = &work->meetings[m];
        for (uint32_t i = met->place; i < work->touches.counts[met->stay]; i++) {
            const wp_touch *touch = touch_at(work, met->stay, i);
            uint32_t cell = crude ? touch->crude : touch->cell;
            if (touch->no_control)
                continue;
            room->gone.n[cell]++;
            room->gone.follows[cell][touch->follow]++;
            if (i > met->place)
                continue;
            room->met.n[cell]++;
            room->met.follows[cell][touch->follow]++;
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
static double touch_score(const worker_room *room, const wp_touch *touch, bool met, double slope)
{
    if (!room->used[touch->cell] || touch->no_control)
        return 0;
    double x = (met ? 1 : 0) - room->share[touch->cell];
    double y = (touch->follow == WP_ADVANCE ? 1 : 0) - room->level[touch->cell];
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
    const cells *totals = &work->totals[task->stage];
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
    for (size_t s = work->stays->starts[task->stage]; s < work->stays->starts[task->stage + 1];
         s++) {
        uint32_t last = work->touches.counts[s], met = UINT32_MAX;
        if (next < end && work->meetings[next].stay == s) {
            met = work->meetings[next++].place;
            last = met + 1;
        }
        double score = 0;
        for (uint32_t i = 0; i < last; i++)
            score +=
                touch_score(room, touch_at(work, s, i), i == met, made->difference[WP_ADVANCE]);
        squares += score * score;
    }
    double n = made->compared;
    squares *= n / (n - 1);
    return sqrt(squares > binomial ? squares : binomial) / made->weights;
}

/* Mean place of the item among the person's touches that may be controls; false: one touch. */
static bool mean_place(const clarity_work *work, const item_task *task, size_t stay, double *out)
{
    uint32_t touches = 0, times = 0;
    double sum = 0;
    for (uint32_t i = 0; i < work->touches.counts[stay]; i++) {
        const wp_touch *touch = touch_at(work, stay, i);
        if (touch->no_control)
            continue;
        if (touch->item == task->item) {
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
        size_t stay = work->meetings[m].stay;
        if (!mean_place(work, task, stay, &place))
            continue;
        bool moved = work->stays->stays[stay].advance_us != WP_TIME_MISSING;
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
    uint64_t key = work->touches.item_keys[task->item];
    wp_clarity_item *out = &work->items[chunk];
    *out = (wp_clarity_item){.stage = task->stage,
                             .code = (uint32_t)(key >> 32),
                             .value = (uint32_t)key,
                             .users_count = (uint32_t)task->count,
                             .passed_count = task->passed,
                             .moved_count = work->moved[task->stage],
                             .structural = task->structural,
                             .se = NAN,
                             .known = NAN,
                             .known_se = NAN,
                             .place = NAN,
                             .place_se = NAN};
    if (task->structural)
        return WP_OK;
    count_item(work, task, true, room);
    const cells *totals = &work->totals[task->stage];
    out->crude =
        compare(&work->crude_totals[task->stage], room, WP_TIME_BINS, false).difference[WP_ADVANCE];
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
    work->items = wp_alloc_array(work->tasks_count + 1, sizeof *work->items);
    if (work->rooms == NULL || work->items == NULL)
        return wp_fail_memory(err, work->tasks_count * sizeof *work->items);
    for (unsigned w = 0; w < work->workers_count; w++) {
        work->rooms[w] = wp_alloc(sizeof **work->rooms);
        if (work->rooms[w] == NULL)
            return wp_fail_memory(err, sizeof **work->rooms);
    }
    return WP_OK;
}

static void reset_work(clarity_work *work)
{
    for (unsigned w = 0; work->rooms != NULL && w < work->workers_count; w++)
        wp_free(work->rooms[w]);
    wp_free(work->rooms);
    wp_free(work->items);
    wp_free(work->tasks);
    wp_free(work->meetings);
    wp_free(work->totals);
    wp_free(work->crude_totals);
    wp_free(work->moved);
    wp__touches_reset(&work->touches);
}

wp_status wp_clarity_measure(const wp_stays *stays, const wp_stage_plan *plan,
                             const wp_clarity_options *options, const wp_run *run, wp_clarity *out,
                             wp_error *err)
{
    clarity_work work = {.stays = stays, .options = options};
    WP_TRY(wp__touches_make(stays, plan, options, run, &work.touches, err));
    uint64_t rare = 0, touches = 0;
    wp_status status = count_all(&work, &rare, err);
    if (status == WP_OK)
        status = start_rooms(&work, run, err);
    if (status == WP_OK)
        status = wp_pool_run(run, work.tasks_count, item_chunk, &work, err);
    if (status == WP_OK) {
        qsort(work.items, work.tasks_count, sizeof *work.items, by_stage_and_users);
        for (size_t s = 0; s < stays->starts[stays->stages_count]; s++)
            touches += work.touches.counts[s];
        *out = (wp_clarity){work.items, work.tasks_count, rare, touches};
        work.items = NULL;
    }
    reset_work(&work);
    return status;
}

void wp_clarity_reset(wp_clarity *clarity)
{
    wp_free(clarity->items);
    *clarity = (wp_clarity){0};
}

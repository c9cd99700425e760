/* One user's search through the steps of a funnel; see funnel.h for the rules.
**
** A plan says which steps and exclusions each event code can mean; a search is the scratch memory
** of one worker, grown as journeys need it. */
#ifndef WP_JOURNEY_CHAIN_H
#define WP_JOURNEY_CHAIN_H

#include "journey/funnel.h"

typedef struct wp_chain_plan {
    const wp_columns *columns;
    const wp_funnel_options *options;
    uint32_t *code_steps;      /* per event code: bit per step whose names include it */
    uint32_t *code_exclusions; /* per event code: bit per exclusion */
    uint8_t *code_step;        /* plain plans: the one step of a code plus one, or 0; else NULL */
    uint32_t conditioned_steps, conditioned_exclusions; /* bits of those with conditions */
} wp_chain_plan;

/* A relevant row of the journey. */
typedef struct wp_chain_item {
    int64_t time_us;
    uint32_t row, place; /* place in the journey, for strict order */
    uint32_t steps, exclusions;
    uint32_t hold; /* code of the held property */
} wp_chain_item;

/* Latest entries over the items of one level that one step may follow: a maximum while gaps are
** free, a sliding-window maximum (a queue of falling starts) when they are bounded. */
typedef struct wp_chain_window {
    uint32_t from, to; /* levels: from -> to */
    size_t next;       /* first item of the level that is not in the window yet */
    uint32_t *queue;   /* items; queue[head .. tail-1] */
    size_t head, tail, capacity;
} wp_chain_window;

typedef struct wp_chain_search {
    wp_chain_item *items;
    size_t items_count, items_capacity;
    uint32_t *starts, *backs; /* item * steps_count + level: entry item, item before; NONE */
    uint8_t *back_levels;
    size_t states_capacity;
    uint32_t *level_items[WP_FUNNEL_STEPS_MAX]; /* items that reached a level, in order */
    size_t level_counts[WP_FUNNEL_STEPS_MAX], level_capacity;
    wp_chain_window *windows; /* one per pair of levels that may follow each other */
    uint32_t windows_count;
} wp_chain_search;

typedef struct wp_chain {
    uint32_t level; /* 0: the user never entered */
    bool pending, excluded;
    int64_t entered_us, completed_us;
    uint32_t rows[WP_FUNNEL_STEPS_MAX];
} wp_chain;

/* Borrows columns and options, which must outlive the plan. */
WP_NODISCARD wp_status wp_chain_plan_start(const wp_columns *columns,
                                           const wp_funnel_options *options, wp_chain_plan *plan,
                                           wp_error *err);
void wp_chain_plan_reset(wp_chain_plan *plan);

WP_NODISCARD wp_status wp_chain_find(const wp_chain_plan *plan, wp_chain_search *search,
                                     uint32_t user, const wp_rows *rows, wp_chain *out,
                                     wp_error *err);
void wp_chain_search_reset(wp_chain_search *search);

/* Steps in any order (chain_any.c); search->items is filled. */
WP_NODISCARD wp_status wp__chain_any_order(const wp_chain_plan *plan, wp_chain_search *search,
                                           wp_chain *out, wp_error *err);
/* Plain plans (chain_plain.c): code_step is set and all rows of the user are given. */
WP_NODISCARD wp_status wp__chain_plain(const wp_chain_plan *plan, wp_chain_search *search,
                                       const wp_rows *rows, wp_chain *out, wp_error *err);
WP_NODISCARD wp_status wp__chain_reserve_items(wp_chain_search *search, size_t count,
                                               wp_error *err);

#endif

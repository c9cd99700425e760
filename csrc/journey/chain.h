/* One user's search through the steps of a funnel; see funnel.h for the rules.
**
** A plan says which steps and exclusions each event code can mean; a search is the scratch memory
** of one worker, grown as journeys need it. chain.c prepares the items and judges the winner;
** chain_loose.c, chain_ties.c and chain_any.c each find it under their own rules, chain_bits.c and
** chain_plain.c do so in the common case. */
#ifndef WP_JOURNEY_CHAIN_H
#define WP_JOURNEY_CHAIN_H

#include "journey/funnel.h"

#define WP_CHAIN_NONE UINT32_MAX

#define WP_CHAIN_WORDS     16u                    /* of a step's bits: journeys of chain_bits.c */
#define WP_CHAIN_BITS_MAX  (WP_CHAIN_WORDS * 64u) /* have at most so many rows */
#define WP_CHAIN_CODES_MAX 12u                    /* event codes that are compared one by one */

typedef struct wp_chain_plan {
    const wp_columns *columns;
    const wp_funnel_options *options;
    uint32_t *code_steps;      /* per event code: bit per step whose names include it */
    uint32_t *code_exclusions; /* per event code: bit per exclusion */
    uint8_t *code_step;        /* plain plans: the one step of a code plus one, or 0; else NULL */
    /* Plain plans: the codes that have a step, sixteen times each, and their code_step. */
    uint8_t wanted_codes[WP_CHAIN_CODES_MAX][16], wanted_steps[WP_CHAIN_CODES_MAX];
    uint32_t wanted_count; /* more than WP_CHAIN_CODES_MAX: the arrays do not hold them all */
    uint32_t conditioned_steps, conditioned_exclusions; /* bits of those with conditions */
    bool shared;                                        /* some event code can mean several steps */
} wp_chain_plan;

/* A relevant row of the journey. */
typedef struct wp_chain_item {
    int64_t time_us;
    uint32_t row, place; /* place in the journey, for strict order */
    uint32_t steps, exclusions;
    uint32_t hold; /* code of the held property */
} wp_chain_item;

/* Latest entries over the items of one level that one step may follow: a queue of falling starts
** whose head is the best item that still fits. Items enter as they come within reach and leave when
** the gap grows too long or an excluded event lies after them. */
typedef struct wp_chain_window {
    uint32_t from, to;   /* levels: from -> to */
    uint32_t exclusions; /* bits of the exclusions that must not lie between the two */
    size_t next;         /* first item of the level that is not in the window yet */
    size_t seen;         /* first item of the run not yet looked at for exclusions */
    uint32_t barrier;    /* the last excluded item seen, or WP_CHAIN_NONE */
    uint32_t *queue;     /* items; queue[head .. tail-1] */
    size_t head, tail, capacity;
} wp_chain_window;

typedef struct wp_chain_search {
    wp_chain_item *items;
    size_t items_count, items_capacity;
    uint32_t rows_count; /* of the whole journey */
    /* By item * steps_count + level: entry item, item before (or WP_CHAIN_NONE), its level, and (in
    ** chain_ties.c) the level at which the chain came to this moment. */
    uint32_t *starts, *backs;
    uint8_t *back_levels, *joined_levels;
    size_t states_capacity;
    uint32_t *level_items[WP_FUNNEL_STEPS_MAX]; /* items that reached a level, in order */
    size_t level_counts[WP_FUNNEL_STEPS_MAX], level_capacity;
    wp_chain_window *windows; /* one per pair of levels that may follow each other, by `to` */
    uint32_t windows_count;
    /* chain_bits.c: by code_step, the rows of the journey that mean it; a word to spare. */
    uint64_t step_rows[WP_FUNNEL_STEPS_MAX + 1][WP_CHAIN_WORDS + 1];
} wp_chain_search;

typedef struct wp_chain {
    uint32_t level; /* 0: the user never entered */
    bool open;      /* the window of the last entry that counts is not over at as_of_us */
    bool pending;   /* not through, and some attempt can still go further */
    bool excluded;
    int64_t entered_us, completed_us;
    uint32_t entered_row, completed_row; /* break ties of time; 0 where ties are free */
    uint32_t hold;                       /* the chain's value of the held property */
    uint32_t rows[WP_FUNNEL_STEPS_MAX];
} wp_chain;

/* Items [begin, end) of a search: all, or those of one held value. */
typedef struct wp_chain_run {
    const wp_funnel_options *options;
    wp_chain_search *search;
    const wp_chain_item *items;
    size_t begin, end;
    uint32_t steps_count;
    uint32_t only;                  /* the one item that may be an entry, or WP_CHAIN_NONE: any */
    bool shared;                    /* as in the plan */
    uint32_t best_level, best_item; /* best_level: steps reached */
} wp_chain_run;

/* Borrows columns and options, which must outlive the plan. */
WP_NODISCARD wp_status wp_chain_plan_start(const wp_columns *columns,
                                           const wp_funnel_options *options, wp_chain_plan *plan,
                                           wp_error *err);
void wp_chain_plan_reset(wp_chain_plan *plan);

WP_NODISCARD wp_status wp_chain_find(const wp_chain_plan *plan, wp_chain_search *search,
                                     uint32_t user, const wp_rows *rows, wp_chain *out,
                                     wp_error *err);
void wp_chain_search_reset(wp_chain_search *search);

/* --- Between the files of the search --------------------------------------------------------- */

WP_NODISCARD wp_status wp__chain_reserve_items(wp_chain_search *search, size_t count,
                                               wp_error *err);

/* Steps in order (chain_loose.c): best_level and best_item, and states to trace them by. */
WP_NODISCARD wp_status wp__chain_loose(wp_chain_run *r, wp_error *err);
void wp__chain_loose_trace(const wp_chain_run *r, wp_chain *out);
bool wp__chain_still_open(const wp_chain_run *r);
/* Makes item's state at level; the first item of a new level becomes the best one (where ties are
** free, of its moment the one with the latest entry). */
void wp__chain_set_state(wp_chain_run *r, uint32_t item, uint32_t level, uint32_t start,
                         uint32_t back, uint32_t back_level);
/* The best state before `item` that its step `level` may follow: *out_back is WP_CHAIN_NONE when
** there is none. earlier_only: rows of the same moment do not count. */
WP_NODISCARD wp_status wp__chain_best_before(wp_chain_run *r, uint32_t item, uint32_t level,
                                             bool earlier_only, uint32_t *out_back,
                                             uint32_t *out_from, wp_error *err);

static inline uint32_t wp__chain_start(const wp_chain_run *r, uint32_t item, uint32_t level)
{
    return r->search->starts[(size_t)item * r->steps_count + level];
}

static inline bool wp__chain_fits(const wp_chain_run *r, uint32_t start, uint32_t item)
{
    return r->options->within_us < 0 ||
           r->items[item].time_us - r->items[start].time_us <= r->options->within_us;
}

/* The same where rows of one moment may follow each other either way and one row can mean several
** steps (chain_ties.c). */
WP_NODISCARD wp_status wp__chain_ties(wp_chain_run *r, wp_error *err);
void wp__chain_ties_trace(const wp_chain_run *r, wp_chain *out);

/* Steps in any order (chain_any.c): the run's best chain, straight into *out. */
void wp__chain_any(const wp_chain_run *r, wp_chain *out);

/* Plain plans: code_step is set. Short journeys by bits (chain_bits.c), with ties of any kind. */
void wp__chain_bits(const wp_chain_plan *plan, wp_chain_search *search, const wp_rows *rows,
                    wp_chain *out);

/* Plain plans (chain_plain.c) with ties as recorded, whatever the length. */
WP_NODISCARD wp_status wp__chain_plain(const wp_chain_plan *plan, wp_chain_search *search,
                                       const wp_rows *rows, wp_chain *out, wp_error *err);

#endif

/* What a log holds, in figures: one parallel pass over the rows of a view.
**
** Counts are exact integers added per worker; sums are added per chunk (Neumaier) and folded in
** chunk order, so every figure has the same bits for any number of threads. Cost: O(rows x columns)
** time; per worker 12 bytes per event name and one bit per text value. */
#ifndef WP_STORE_SUMMARY_H
#define WP_STORE_SUMMARY_H

#include "store/log.h"

typedef struct wp_event_summary {
    uint64_t events_count;
    uint32_t users_count; /* users with at least one */
} wp_event_summary;

/* Of the rows (or of the users, for an attribute) that belong to the view. */
typedef struct wp_number_summary {
    uint64_t present_count, missing_count;
    double sum, low, high; /* low and high are NaN when nothing is present */
} wp_number_summary;

typedef struct wp_text_summary {
    uint64_t present_count, missing_count;
    uint32_t values_count; /* distinct values that occur */
} wp_text_summary;

typedef struct wp_summary {
    wp_event_summary *events; /* one per event name */
    wp_number_summary *numbers, *user_numbers;
    wp_text_summary *texts, *user_texts;
    uint64_t ties_count; /* rows at the same instant as the user's row before */
    uint32_t idle_users; /* users without any event */
} wp_summary;

WP_NODISCARD wp_status wp_log_summarize(const wp_log *log, const wp_run *run, wp_summary *out,
                                        wp_error *err);
void wp_summary_reset(wp_summary *summary); /* frees what it owns */

#endif

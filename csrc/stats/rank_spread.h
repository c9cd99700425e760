/* How far a rank correlation varies, with ties as they are. */
#ifndef WP_STATS_RANK_SPREAD_H
#define WP_STATS_RANK_SPREAD_H

#include "stats/rank.h"

/* Asymptotic variance of Spearman's rho from the doubled mid-ranks (wp_midranks) of two columns
** that both vary; case weights count as so many users. */
WP_NODISCARD wp_status wp_rank_spread(const wp_rows *rows, const uint64_t *x_ranks,
                                      const uint64_t *y_ranks, double rho, double *variance,
                                      const wp_run *run, wp_error *err);

#endif

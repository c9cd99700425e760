/* What a reader of events is told: which columns mean what, how times read, what to do with rows
** that are not well formed. Borrowed: the caller keeps names and zone alive while it reads. */
#ifndef WP_INGEST_SOURCE_H
#define WP_INGEST_SOURCE_H

#include "base/time.h"
#include "ingest/batch.h"

typedef struct wp_source {
    const char *user, *event, *time, *order; /* column names; order may be NULL */
    const char *event_name;                  /* every row is this event; `event` is not read */
    wp_schema schema;                        /* names of number and text columns */
    wp_time_rule time_rule;
    bool skip_bad;  /* count bad rows and go on */
    uint64_t limit; /* rows to read at most; UINT64_MAX: all */
    char delimiter; /* of CSV; '\0': detected */
} wp_source;

/* Text to what breaks ties: a number, exact to 64 bits, or an instant. False: neither. */
bool wp_order_parse(const char *text, size_t length, wp_order *order);

#endif

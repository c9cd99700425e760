/* Inside the reader of instants: a place in a text, the parts that are read there, and what they
** make together. Private to base/time*.c. */
#ifndef WP_BASE_TIME_INSIDE_H
#define WP_BASE_TIME_INSIDE_H

#include "base/time.h"

#include <string.h>

/* Year 0 to 9999: what can be shown again, far inside 2^62. */
#define WP__TIME_FIRST_US (-62167219200LL * WP_US_PER_SECOND)
#define WP__TIME_LAST_US  (253402300800LL * WP_US_PER_SECOND)

typedef struct wp__cursor {
    const char *at, *end;
} wp__cursor;

static inline bool wp__is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static inline bool wp__next_is(wp__cursor *c, char expected)
{
    if (c->at == c->end || *c->at != expected)
        return false;
    c->at++;
    return true;
}

/* Exactly `count` digits. */
static inline bool wp__read_digits(wp__cursor *c, int count, int *number)
{
    if (c->end - c->at < count)
        return false;
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!wp__is_digit(c->at[i]))
            return false;
        value = value * 10 + (c->at[i] - '0');
    }
    c->at += count;
    *number = value;
    return true;
}

typedef struct wp__moment {
    int year, month, day, hour, minute, second;
    int64_t micros;
    bool has_offset;
    int offset_seconds;
} wp__moment;

/* One to `most` digits. */
bool wp__read_up_to(wp__cursor *c, int most, int *number);
/* Digits of a fraction as microseconds; those beyond are cut off. */
bool wp__read_fraction(wp__cursor *c, int64_t *micros);
void wp__skip_blanks(wp__cursor *c);
/* Whatever its case. */
bool wp__read_word(wp__cursor *c, const char *word);
/* Z, UTC, GMT, +02, +0200, +02:00, +02:00:00 */
bool wp__read_offset(wp__cursor *c, wp__moment *m);
/* False: there is no such day or time. Without an offset the zone of the rule counts, or UTC, which
** is then assumed. */
bool wp__moment_instant(const wp_time_rule *rule, const wp__moment *m, int64_t *time_us,
                        bool *zone_assumed);
/* The whole rest of the text under the rule's format. */
bool wp__time_by_format(const wp_time_rule *rule, wp__cursor c, int64_t *time_us,
                        bool *zone_assumed);

#endif

/* Instants: integer microseconds since 1970-01-01 UTC, from and to text.
**
** The calendar is the proleptic Gregorian one, years 0000 to 9999; there are no leap seconds (a
** second of 60 is read as the first of the next minute). Text without an offset is read in the
** rule's zone. Digits beyond the microsecond are cut off in dates and rounded in epoch numbers,
** which often come out of a float. Pure functions; a rule is read-only and may be shared. */
#ifndef WP_BASE_TIME_H
#define WP_BASE_TIME_H

#include "base/slice.h"
#include "base/zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WP_US_PER_SECOND 1000000LL
#define WP_US_PER_DAY    86400000000LL

typedef enum wp_time_unit {
    WP_UNIT_AUTO, /* seconds below 1e11, milliseconds below 1e14, else microseconds */
    WP_UNIT_SECONDS,
    WP_UNIT_MILLISECONDS,
    WP_UNIT_MICROSECONDS
} wp_time_unit;

/* How the texts of one column are read. Zeroed: ISO 8601 or epoch numbers, UTC. */
typedef struct wp_time_rule {
    const char *format; /* strptime style; NULL: ISO 8601 or epoch */
    wp_time_unit unit;
    const wp_zone *zone; /* of texts without an offset; NULL: UTC */
} wp_time_rule;

/* Reads one instant; blanks around it are ignored. False when the text is not one. Sets
** *zone_assumed (never clears it) when neither the text nor the rule named an offset. */
bool wp_time_parse(const wp_time_rule *rule, const char *text, size_t length, int64_t *time_us,
                   bool *zone_assumed);
/* The same for many: reads times_us[i] from texts[i] up to the first that is not an instant, and
** returns how many it read. */
size_t wp_time_parse_list(const wp_time_rule *rule, const wp_slice *texts, size_t count,
                          int64_t *times_us, bool *zone_assumed);
/* Epoch numbers that are numbers already. False when not finite or out of range. */
bool wp_time_from_double(const wp_time_rule *rule, double number, int64_t *time_us);
bool wp_time_from_integer(const wp_time_rule *rule, int64_t number, int64_t *time_us);

/* Says what is wrong with a format, or NULL when it can be read. */
const char *wp_time_format_problem(const char *format);

/* "2024-03-01T12:00:00Z", with 3 or 6 decimals when needed, with "+01:00" in a zone (NULL: UTC).
** Writes at most WP_TIME_TEXT bytes with NUL; returns the length. */
#define WP_TIME_TEXT 48
size_t wp_time_text(int64_t time_us, const wp_zone *zone, char *text);

int64_t wp_days_from_date(int64_t year, unsigned month, unsigned day);
void wp_date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

#endif

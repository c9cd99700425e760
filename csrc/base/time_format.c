/* Instants by a format of the caller's, with the directives of strptime; see time.h. */
#include "base/time_inside.h"

static const char *const month_names[] = {"january",   "february", "march",    "april",
                                          "may",       "june",     "july",     "august",
                                          "september", "october",  "november", "december"};
static const char *const day_names[] = {"sunday",   "monday", "tuesday", "wednesday",
                                        "thursday", "friday", "saturday"};

/* A full name or its first three letters; -1 when neither. */
static int read_name(wp__cursor *c, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        char brief[4] = {names[i][0], names[i][1], names[i][2], '\0'};
        if (wp__read_word(c, names[i]) || wp__read_word(c, brief))
            return i;
    }
    return -1;
}

typedef struct reading {
    wp__moment m;
    int hour12, day_of_year; /* 0: absent */
    bool is_afternoon, has_half, has_epoch;
    int64_t epoch_seconds;
} reading;

static bool read_epoch_seconds(wp__cursor *c, reading *r)
{
    bool negative = wp__next_is(c, '-');
    int64_t value = 0;
    const char *start = c->at;
    while (c->at < c->end && wp__is_digit(*c->at) && c->at - start < 12)
        value = value * 10 + (*c->at++ - '0');
    r->epoch_seconds = negative ? -value : value;
    r->has_epoch = true;
    return c->at > start && value <= WP__TIME_LAST_US / WP_US_PER_SECOND;
}

static bool read_by_format(wp__cursor *c, const char *format, reading *r);

static bool read_directive(wp__cursor *c, char directive, reading *r)
{
    wp__moment *m = &r->m;
    int number;
    switch (directive) {
    case 'Y':
        return wp__read_up_to(c, 4, &m->year);
    case 'y':
        if (!wp__read_up_to(c, 2, &number))
            return false;
        m->year = number + (number < 69 ? 2000 : 1900);
        return true;
    case 'm':
        return wp__read_up_to(c, 2, &m->month);
    case 'd':
    case 'e':
        wp__skip_blanks(c);
        return wp__read_up_to(c, 2, &m->day);
    case 'j':
        return wp__read_up_to(c, 3, &r->day_of_year) && r->day_of_year > 0;
    case 'H':
    case 'k':
        wp__skip_blanks(c);
        return wp__read_up_to(c, 2, &m->hour);
    case 'I':
    case 'l':
        wp__skip_blanks(c);
        return wp__read_up_to(c, 2, &r->hour12) && r->hour12 >= 1 && r->hour12 <= 12;
    case 'M':
        return wp__read_up_to(c, 2, &m->minute);
    case 'S':
        return wp__read_up_to(c, 2, &m->second);
    case 'f':
        return wp__read_fraction(c, &m->micros);
    case 'p':
        r->has_half = true;
        r->is_afternoon = c->at < c->end && (*c->at | 0x20) == 'p';
        return wp__read_word(c, "am") || wp__read_word(c, "pm") || wp__read_word(c, "a.m.") ||
               wp__read_word(c, "p.m.");
    case 'b':
    case 'B':
    case 'h':
        m->month = read_name(c, month_names, 12) + 1;
        return m->month > 0;
    case 'a':
    case 'A':
        return read_name(c, day_names, 7) >= 0;
    case 'z':
    case 'Z':
        return wp__read_offset(c, m);
    case 's':
        return read_epoch_seconds(c, r);
    case 'F':
        return read_by_format(c, "%Y-%m-%d", r);
    case 'T':
        return read_by_format(c, "%H:%M:%S", r);
    case 'R':
        return read_by_format(c, "%H:%M", r);
    case 'D':
        return read_by_format(c, "%m/%d/%y", r);
    case 'n':
    case 't':
        wp__skip_blanks(c);
        return true;
    default:
        return directive == '%' && wp__next_is(c, '%');
    }
}

static bool read_by_format(wp__cursor *c, const char *format, reading *r)
{
    for (; *format != '\0'; format++) {
        if (*format == ' ') {
            wp__skip_blanks(c);
        } else if (*format == '%') {
            if (!read_directive(c, *++format, r))
                return false;
        } else if (!wp__next_is(c, *format)) {
            return false;
        }
    }
    return true;
}

bool wp__time_by_format(const wp_time_rule *rule, wp__cursor c, int64_t *time_us,
                        bool *zone_assumed)
{
    reading r = {.m = {.month = 1, .day = 1}};
    if (!read_by_format(&c, rule->format, &r) || c.at != c.end)
        return false;
    if (r.has_epoch) {
        *time_us = r.epoch_seconds * WP_US_PER_SECOND + r.m.micros;
        return true;
    }
    if (r.has_half)
        r.m.hour = r.hour12 % 12 + (r.is_afternoon ? 12 : 0);
    if (r.day_of_year > 0) {
        int64_t year, start = wp_days_from_date(r.m.year, 1, 1);
        unsigned month, day;
        wp_date_from_days(start + r.day_of_year - 1, &year, &month, &day);
        if (year != r.m.year)
            return false;
        r.m.month = (int)month;
        r.m.day = (int)day;
    }
    return wp__moment_instant(rule, &r.m, time_us, zone_assumed);
}

const char *wp_time_format_problem(const char *format)
{
    bool year = false, half = false, hour12 = false;
    if (*format == '\0')
        return "is empty";
    for (const char *at = format; *at != '\0'; at++) {
        if (*at != '%')
            continue;
        at++;
        if (*at == '\0')
            return "ends in a lone '%'";
        if (strchr("YymdejHkIlMSfpbBhaAzZsFTRDnt%", *at) == NULL)
            return "has a directive that is not known (expected %Y %y %m %d %e %b %B %j %H %I %p "
                   "%M %S %f %z %Z %s %F %T %R %D %a %A)";
        year |= strchr("YysFD", *at) != NULL;
        half |= *at == 'p';
        hour12 |= *at == 'I' || *at == 'l';
    }
    if (!year)
        return "has no year (expected %Y, %y, %F, %D or %s)";
    if (hour12 != half)
        return "has only one of %I and %p (expected both)";
    return NULL;
}

/* Parts of an instant's text, and the instant of a day and time of the calendar; see
** time_inside.h. */
#include "base/time_inside.h"

bool wp__read_up_to(wp__cursor *c, int most, int *number)
{
    int value = 0, count = 0;
    while (count < most && c->at < c->end && wp__is_digit(*c->at)) {
        value = value * 10 + (*c->at++ - '0');
        count++;
    }
    *number = value;
    return count > 0;
}

bool wp__read_fraction(wp__cursor *c, int64_t *micros)
{
    int64_t value = 0, place = 100000;
    const char *start = c->at;
    for (; c->at < c->end && wp__is_digit(*c->at); c->at++, place /= 10)
        value += (*c->at - '0') * place;
    *micros = value;
    return c->at > start;
}

void wp__skip_blanks(wp__cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

bool wp__read_word(wp__cursor *c, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(c->end - c->at) < length)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((c->at[i] | 0x20) != (word[i] | 0x20))
            return false;
    c->at += length;
    return true;
}

bool wp__read_offset(wp__cursor *c, wp__moment *m)
{
    if (c->at == c->end)
        return false;
    int sign = *c->at == '+' ? 1 : *c->at == '-' ? -1 : 0, hours, minutes = 0, seconds = 0;
    m->has_offset = true;
    if (sign == 0) {
        m->offset_seconds = 0;
        return wp__read_word(c, "UTC") || wp__read_word(c, "GMT") || wp__read_word(c, "Z");
    }
    c->at++;
    if (!wp__read_digits(c, 2, &hours))
        return false;
    if (c->at < c->end && (*c->at == ':' || wp__is_digit(*c->at))) {
        bool colon = wp__next_is(c, ':');
        if (!wp__read_digits(c, 2, &minutes))
            return false;
        if (colon && wp__next_is(c, ':') && !wp__read_digits(c, 2, &seconds))
            return false;
    }
    m->offset_seconds = sign * (hours * 3600 + minutes * 60 + seconds);
    return hours <= 18 && minutes < 60 && seconds < 60;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool is_real_time(const wp__moment *m)
{
    if (m->month < 1 || m->month > 12 || m->day < 1 || m->minute > 59 || m->second > 60 ||
        (unsigned)m->day > days_in_month(m->year, (unsigned)m->month))
        return false;
    return m->hour < 24 || (m->hour == 24 && m->minute == 0 && m->second == 0 && m->micros == 0);
}

bool wp__moment_instant(const wp_time_rule *rule, const wp__moment *m, int64_t *time_us,
                        bool *zone_assumed)
{
    if (!is_real_time(m))
        return false;
    int64_t seconds = wp_days_from_date(m->year, (unsigned)m->month, (unsigned)m->day) * 86400 +
                      m->hour * 3600 + m->minute * 60 + m->second;
    if (m->has_offset) {
        seconds -= m->offset_seconds;
    } else {
        seconds = wp_zone_utc_from_local(rule->zone, seconds);
        *zone_assumed |= rule->zone == NULL;
    }
    *time_us = seconds * WP_US_PER_SECOND + m->micros;
    return true;
}

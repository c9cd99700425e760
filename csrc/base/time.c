/* Instants from and to text; see time.h. */
#include "base/time.h"

#include "base/hash.h"
#include "base/time_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- Calendar: days since 1970-01-01 of the proleptic Gregorian calendar ------------------------
 */

int64_t wp_days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void wp_date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *day = (unsigned)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = years + era * 400 + (*month <= 2);
}

/* --- ISO 8601 --------------------------------------------------------------------------------- */

static bool read_clock(wp__cursor *c, wp__moment *m)
{
    if (!wp__read_digits(c, 2, &m->hour))
        return false;
    if (c->at == c->end || !(*c->at == ':' || wp__is_digit(*c->at)))
        return true;
    bool colon = wp__next_is(c, ':');
    if (!wp__read_digits(c, 2, &m->minute))
        return false;
    if (colon ? !wp__next_is(c, ':') : c->at == c->end || !wp__is_digit(*c->at))
        return true;
    if (!wp__read_digits(c, 2, &m->second))
        return false;
    if (wp__next_is(c, '.') || wp__next_is(c, ','))
        return wp__read_fraction(c, &m->micros);
    return true;
}

/* 2024-03-01, 2024/03/01, 20240301; then T or blanks and a clock; then an offset. */
static bool parse_iso(const wp_time_rule *rule, wp__cursor c, int64_t *time_us, bool *zone_assumed)
{
    wp__moment m = {0};
    if (!wp__read_digits(&c, 4, &m.year))
        return false;
    char separator = c.at < c.end && (*c.at == '-' || *c.at == '/') ? *c.at : '\0';
    if ((separator != '\0' && !wp__next_is(&c, separator)) || !wp__read_digits(&c, 2, &m.month) ||
        (separator != '\0' && !wp__next_is(&c, separator)) || !wp__read_digits(&c, 2, &m.day))
        return false;
    if (c.at < c.end && (*c.at == 'T' || *c.at == 't' || *c.at == ' ')) {
        if (*c.at == ' ')
            wp__skip_blanks(&c);
        else
            c.at++;
        if (!read_clock(&c, &m))
            return false;
        wp__skip_blanks(&c);
        if (c.at < c.end && !wp__read_offset(&c, &m))
            return false;
    }
    return c.at == c.end && wp__moment_instant(rule, &m, time_us, zone_assumed);
}

/* Eight bytes as digits: each must be '0' .. '9' where `shape` has '0', and the very byte of
 *`shape`
 ** elsewhere. Returns the values of the digits, or all bits when the text has another shape. */
static inline uint64_t digits_of(const char *text, uint64_t shape, uint64_t most)
{
    uint64_t word = wp_load64(text) ^ shape;
    return ((word | (word + most)) & 0x8080808080808080ULL) == 0 ? word : UINT64_MAX;
}

/* Days since 1970 of a date after the year 0, without branches. */
static inline int64_t days_from_usual(uint32_t year, uint32_t month, uint32_t day)
{
    uint32_t early = month <= 2, shifted = year - early;
    uint32_t of_year = (153 * (month + 12 * early - 3) + 2) / 5 + day;
    return (int64_t)(365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + of_year) -
           719469;
}

/* "2024-03-01 12:00:00" and "2024-03-01T12:00:00Z", nearly all the texts there are (19 and 20
** bytes): eight digits at a time. False: not of this shape, or it needs a closer look, and the
** general reader decides. */
static inline bool parse_usual(const wp_time_rule *rule, const char *text, size_t length,
                               int64_t *time_us, bool *zone_assumed)
{
    if ((length == 20 && text[19] != 'Z') || (text[10] != ' ' && text[10] != 'T'))
        return false;
    uint64_t date = digits_of(text, 0x2d30302d30303030ULL, 0x7f76767f76767676ULL);
    uint64_t clock = digits_of(text + 11, 0x30303a30303a3030ULL, 0x76767f76767f7676ULL);
    unsigned tens = (unsigned)(unsigned char)text[8] - '0';
    unsigned ones = (unsigned)(unsigned char)text[9] - '0';
    if (date == UINT64_MAX || clock == UINT64_MAX || tens > 9 || ones > 9)
        return false;
    date = date * 10 + (date >> 8); /* byte i: the digits i and i + 1 as one number */
    clock = clock * 10 + (clock >> 8);
    uint32_t year = (uint32_t)((date & 255) * 100 + (date >> 16 & 255));
    uint32_t month = (uint32_t)(date >> 40 & 255), day = tens * 10 + ones;
    uint32_t hour = (uint32_t)(clock & 255), minute = (uint32_t)(clock >> 24 & 255),
             second = (uint32_t)(clock >> 48 & 255);
    if (year == 0 || month - 1 > 11 || day - 1 > 29 || (day > 28 && month == 2) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    int64_t seconds =
        days_from_usual(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    if (length == 19) {
        if (rule->zone != NULL)
            seconds = wp_zone_utc_from_local(rule->zone, seconds);
        else
            *zone_assumed = true;
    }
    *time_us = seconds * WP_US_PER_SECOND;
    return true;
}

/* --- Epoch numbers ---------------------------------------------------------------------------- */

static const int64_t unit_us[] = {0, 1000000, 1000, 1};

static wp_time_unit unit_of(const wp_time_rule *rule, uint64_t magnitude)
{
    if (rule->unit != WP_UNIT_AUTO)
        return rule->unit;
    return magnitude < 100000000000ULL      ? WP_UNIT_SECONDS
           : magnitude < 100000000000000ULL ? WP_UNIT_MILLISECONDS
                                            : WP_UNIT_MICROSECONDS;
}

static bool scale_epoch(const wp_time_rule *rule, bool negative, uint64_t whole, int64_t millionths,
                        int64_t *time_us)
{
    int64_t unit = unit_us[unit_of(rule, whole)];
    if (whole > (uint64_t)(WP__TIME_LAST_US / unit))
        return false;
    /* millionths of the unit to microseconds, to the nearest */
    int64_t value = (int64_t)whole * unit + (millionths * unit + 500000) / 1000000;
    value = negative ? -value : value;
    if (value < WP__TIME_FIRST_US || value >= WP__TIME_LAST_US)
        return false;
    *time_us = value;
    return true;
}

/* Eight digits, as digits_of gives them, to their number: neighbours are joined three times. */
static inline uint64_t number_of(uint64_t digits)
{
    digits = digits * 10 + (digits >> 8);
    return ((digits & 0xff000000ffULL) * 0xf424000000064ULL +
            (digits >> 16 & 0xff000000ffULL) * 0x271000000001ULL) >>
           32;
}

/* "1704067200" and "1704067200123", the numbers of our time: eight digits and the two, or five,
** behind them. False: the general reader decides. */
static inline bool parse_usual_epoch(const wp_time_rule *rule, const char *text, size_t length,
                                     int64_t *time_us)
{
    uint64_t first = digits_of(text, 0x3030303030303030ULL, 0x7676767676767676ULL), whole;
    if (first == UINT64_MAX)
        return false;
    if (length == 10) {
        unsigned tens = (unsigned)(unsigned char)text[8] - '0';
        unsigned ones = (unsigned)(unsigned char)text[9] - '0';
        if (tens > 9 || ones > 9)
            return false;
        whole = number_of(first) * 100 + tens * 10 + ones;
    } else {
        uint64_t last = digits_of(text + 5, 0x3030303030303030ULL, 0x7676767676767676ULL);
        if (last == UINT64_MAX)
            return false;
        whole = number_of(first) * 100000 + number_of(last) % 100000;
    }
    if (rule->unit != WP_UNIT_AUTO)
        return scale_epoch(rule, false, whole, 0, time_us);
    *time_us = (int64_t)(whole < 100000000000ULL ? whole * 1000000 : whole * 1000);
    return true;
}

/* [+-] digits [ . digits ]: integers all the way, so 1289241911.72836 is exact. */
static bool parse_epoch(const wp_time_rule *rule, wp__cursor c, int64_t *time_us)
{
    bool negative = false;
    uint64_t whole = 0;
    int64_t millionths = 0;
    if (c.at < c.end && (*c.at == '-' || *c.at == '+'))
        negative = *c.at++ == '-';
    const char *start = c.at;
    for (; c.at < c.end && wp__is_digit(*c.at); c.at++) {
        if (whole > 1000000000000000000ULL)
            return false;
        whole = whole * 10 + (uint64_t)(*c.at - '0');
    }
    if (c.at == start)
        return false;
    if (wp__next_is(&c, '.')) {
        const char *digits = c.at;
        wp__read_fraction(&c, &millionths);
        if (c.at - digits > 6 && digits[6] >= '5')
            millionths++;
    }
    return c.at == c.end && scale_epoch(rule, negative, whole, millionths, time_us);
}

/* 20240301 and 20240301120000 are dates: as epoch numbers they would lie in August 1970 or far in
** the future. A unit that was asked for says they are not. */
static bool parse_compact(const wp_time_rule *rule, const char *text, size_t length,
                          int64_t *time_us, bool *zone_assumed)
{
    wp__moment m = {0};
    wp__cursor c = {text, text + length};
    if ((length != 8 && length != 14) || rule->unit != WP_UNIT_AUTO ||
        !wp__read_digits(&c, 4, &m.year) || m.year < 1900 || m.year > 2199 ||
        !wp__read_digits(&c, 2, &m.month) || !wp__read_digits(&c, 2, &m.day))
        return false;
    if (length == 14 && (!wp__read_digits(&c, 2, &m.hour) || !wp__read_digits(&c, 2, &m.minute) ||
                         !wp__read_digits(&c, 2, &m.second)))
        return false;
    return wp__moment_instant(rule, &m, time_us, zone_assumed);
}

bool wp_time_from_integer(const wp_time_rule *rule, int64_t number, int64_t *time_us)
{
    if (rule->unit == WP_UNIT_AUTO && (uint64_t)number < 100000000000ULL) {
        *time_us = number * 1000000; /* the seconds of our time: far inside the range */
        return true;
    }
    uint64_t magnitude = number < 0 ? -(uint64_t)number : (uint64_t)number;
    return scale_epoch(rule, number < 0, magnitude, 0, time_us);
}

bool wp_time_from_double(const wp_time_rule *rule, double number, int64_t *time_us)
{
    if (!(fabs(number) < 9e18))
        return false;
    double whole = floor(fabs(number));
    return scale_epoch(rule, number < 0, (uint64_t)whole, llrint((fabs(number) - whole) * 1e6),
                       time_us);
}

/* --- Both ways -------------------------------------------------------------------------------- */

static inline bool parse_quick(const wp_time_rule *rule, const char *text, size_t length,
                               int64_t *time_us, bool *zone_assumed)
{
    if (length == 10 || length == 13)
        return parse_usual_epoch(rule, text, length, time_us);
    return (length == 19 || length == 20) && parse_usual(rule, text, length, time_us, zone_assumed);
}

static bool parse_any(const wp_time_rule *rule, const char *text, size_t length, int64_t *time_us,
                      bool *zone_assumed)
{
    wp__cursor c = {text, text + length};
    wp__skip_blanks(&c);
    while (c.end > c.at && (c.end[-1] == ' ' || c.end[-1] == '\t'))
        c.end--;
    if (c.at == c.end)
        return false;
    if (rule->format != NULL)
        return wp__time_by_format(rule, c, time_us, zone_assumed);
    return parse_compact(rule, c.at, (size_t)(c.end - c.at), time_us, zone_assumed) ||
           parse_epoch(rule, c, time_us) || parse_iso(rule, c, time_us, zone_assumed);
}

bool wp_time_parse(const wp_time_rule *rule, const char *text, size_t length, int64_t *time_us,
                   bool *zone_assumed)
{
    return (rule->format == NULL && parse_quick(rule, text, length, time_us, zone_assumed)) ||
           parse_any(rule, text, length, time_us, zone_assumed);
}

/* The usual texts stay in the loop, so that one does not wait for the one before. */
size_t wp_time_parse_list(const wp_time_rule *rule, const wp_slice *texts, size_t count,
                          int64_t *times_us, bool *zone_assumed)
{
    const bool is_plain = rule->format == NULL;
    for (size_t i = 0; i < count; i++) {
        wp_slice text = texts[i];
        if (!(is_plain && parse_quick(rule, text.text, text.length, &times_us[i], zone_assumed)) &&
            !parse_any(rule, text.text, text.length, &times_us[i], zone_assumed))
            return i;
    }
    return count;
}

size_t wp_time_text(int64_t time_us, const wp_zone *zone, char *text)
{
    int64_t seconds = time_us / WP_US_PER_SECOND - (time_us % WP_US_PER_SECOND < 0);
    int64_t micros = time_us - seconds * WP_US_PER_SECOND, year;
    int32_t offset = wp_zone_offset_at(zone, seconds);
    seconds += offset;
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int clock = (int)(seconds - days * 86400);
    unsigned month, day;
    wp_date_from_days(days, &year, &month, &day);
    int length = snprintf(text, WP_TIME_TEXT, "%04lld-%02u-%02uT%02d:%02d:%02d", (long long)year,
                          month, day, clock / 3600, clock / 60 % 60, clock % 60);
    if (micros % 1000 != 0)
        length += snprintf(text + length, WP_TIME_TEXT - length, ".%06d", (int)micros);
    else if (micros != 0)
        length += snprintf(text + length, WP_TIME_TEXT - length, ".%03d", (int)(micros / 1000));
    int minutes = (offset < 0 ? -offset : offset) / 60;
    if (zone == NULL || offset == 0)
        length += snprintf(text + length, WP_TIME_TEXT - length, "Z");
    else
        length += snprintf(text + length, WP_TIME_TEXT - length, "%c%02d:%02d",
                           offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
    return (size_t)length;
}

/* Time zones; see zone.h. */
#include "base/zone.h"

#include "base/memory.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One half of a footer rule: the day of the year and the second of it when it starts. */
typedef struct change {
    char kind; /* 'M' month.week.day, 'J' day without 29 February, '0' day from 0 */
    unsigned month;
    int week, day;
    int32_t second; /* local, may be negative or beyond a day */
} change;

struct wp_zone {
    size_t count;
    int64_t *instants;
    int32_t *offsets; /* count + 1: before the first, then from each instant on */
    bool has_rule;    /* daylight saving after the last instant */
    int32_t standard, daylight;
    change to_daylight, to_standard;
};

static int64_t year_of(int64_t seconds)
{
    int64_t year;
    unsigned month, day;
    wp_date_from_days(seconds / 86400 - (seconds % 86400 < 0), &year, &month, &day);
    return year;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The instant of a change in a year, given the offset in force before it. */
static int64_t change_instant(const change *when, int64_t year, int32_t offset_before)
{
    int64_t day;
    if (when->kind == 'M') {
        int64_t first = wp_days_from_date(year, when->month, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7;
        day = first + (when->day - weekday + 7) % 7 + (when->week - 1) * 7;
        unsigned next_month = when->month == 12 ? 1 : when->month + 1;
        int64_t end = wp_days_from_date(year + (when->month == 12), next_month, 1);
        while (day >= end)
            day -= 7;
    } else {
        day = wp_days_from_date(year, 1, 1) + when->day;
        if (when->kind == 'J')
            day += (is_leap(year) && when->day >= 60) - 1;
    }
    return day * 86400 + when->second - offset_before;
}

static int32_t rule_offset_at(const wp_zone *zone, int64_t utc_seconds)
{
    int64_t year = year_of(utc_seconds + zone->standard);
    int64_t on = change_instant(&zone->to_daylight, year, zone->standard);
    int64_t off = change_instant(&zone->to_standard, year, zone->daylight);
    bool inside =
        on < off ? utc_seconds >= on && utc_seconds < off : utc_seconds >= on || utc_seconds < off;
    return inside ? zone->daylight : zone->standard;
}

int32_t wp_zone_offset_at(const wp_zone *zone, int64_t utc_seconds)
{
    if (zone == NULL)
        return 0;
    size_t low = 0, high = zone->count; /* first instant after utc_seconds */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zone->instants[middle] <= utc_seconds)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->has_rule)
        return rule_offset_at(zone, utc_seconds);
    return zone->offsets[low];
}

int64_t wp_zone_utc_from_local(const wp_zone *zone, int64_t local_seconds)
{
    if (zone == NULL)
        return local_seconds;
    /* Offsets a day before and after bound the change that may lie between: clocks never move twice
    ** within two days. */
    int32_t before = wp_zone_offset_at(zone, local_seconds - 86400);
    int32_t after = wp_zone_offset_at(zone, local_seconds + 86400);
    if (before == after)
        return local_seconds - wp_zone_offset_at(zone, local_seconds - before);
    int64_t early = local_seconds - before, late = local_seconds - after;
    if (wp_zone_offset_at(zone, early) == before)
        return early; /* the usual case, and the first of two */
    if (wp_zone_offset_at(zone, late) == after)
        return late;
    return early; /* in a gap: moved forward by its length */
}

/* --- Offsets ---------------------------------------------------------------------------------- */

static bool two_digits(const char *text, int *number)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *number = (text[0] - '0') * 10 + text[1] - '0';
    return true;
}

/* "+2", "+02", "+0200", "+02:00", "+02:00:00" */
static bool parse_offset(const char *text, int32_t *seconds)
{
    int sign = *text == '-' ? -1 : 1, hours = 0, minutes = 0;
    if (*text != '+' && *text != '-')
        return false;
    text++;
    size_t length = strlen(text);
    if (length == 1 && *text >= '0' && *text <= '9')
        hours = *text - '0';
    else if (length < 2 || !two_digits(text, &hours))
        return false;
    else if (length == 4   ? !two_digits(text + 2, &minutes)
             : length == 5 ? text[2] != ':' || !two_digits(text + 3, &minutes)
                           : length != 2)
        return false;
    if (hours > 18 || minutes > 59)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static wp_zone *fixed_zone(int32_t offset)
{
    wp_zone *zone = wp_alloc_zero(sizeof *zone);
    if (zone == NULL || (zone->offsets = wp_alloc_array(1, sizeof(int32_t))) == NULL) {
        wp_free(zone);
        return NULL;
    }
    zone->offsets[0] = offset;
    return zone;
}

/* --- TZif ------------------------------------------------------------------------------------- */

static uint64_t big_endian(const unsigned char *at, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

typedef struct tz_counts {
    uint64_t is_ut, is_standard, leaps, instants, types, letters;
} tz_counts;

static tz_counts read_counts(const unsigned char *header)
{
    return (tz_counts){big_endian(header + 20, 4), big_endian(header + 24, 4),
                       big_endian(header + 28, 4), big_endian(header + 32, 4),
                       big_endian(header + 36, 4), big_endian(header + 40, 4)};
}

static uint64_t block_size(tz_counts c, unsigned width)
{
    return c.instants * (width + 1) + c.types * 6 + c.letters + c.leaps * (width + 4) +
           c.is_standard + c.is_ut;
}

static const char *skip_name(const char *at)
{
    if (*at == '<') {
        at = strchr(at, '>');
        return at == NULL ? NULL : at + 1;
    }
    const char *start = at;
    while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z'))
        at++;
    return at - start >= 3 ? at : NULL;
}

/* [+-]h[h[h]][:mm[:ss]] */
static const char *read_clock(const char *at, int32_t *seconds)
{
    int32_t sign = 1, parts[3] = {0, 0, 0};
    if (*at == '+' || *at == '-')
        sign = *at++ == '-' ? -1 : 1;
    for (int i = 0; i < 3; i++) {
        if (*at < '0' || *at > '9')
            return NULL;
        while (*at >= '0' && *at <= '9' && parts[i] < 1000)
            parts[i] = parts[i] * 10 + *at++ - '0';
        if (*at != ':')
            break;
        at++;
    }
    *seconds = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
    return at;
}

static const char *read_change(const char *at, change *when)
{
    if (at == NULL || *at != ',')
        return NULL;
    at++;
    char *end;
    *when = (change){.kind = '0', .second = 7200};
    if (*at == 'M') {
        when->kind = 'M';
        when->month = (unsigned)strtol(at + 1, &end, 10);
        if (*end != '.')
            return NULL;
        when->week = (int)strtol(end + 1, &end, 10);
        if (*end != '.')
            return NULL;
        when->day = (int)strtol(end + 1, &end, 10);
        if (when->month < 1 || when->month > 12 || when->week < 1 || when->week > 5 ||
            when->day < 0 || when->day > 6)
            return NULL;
    } else {
        if (*at == 'J')
            when->kind = *at++;
        when->day = (int)strtol(at, &end, 10);
        if (end == at || when->day < 0 || when->day > 366)
            return NULL;
    }
    return *end == '/' ? read_clock(end + 1, &when->second) : end;
}

/* The POSIX TZ string after the last transition. */
static bool read_footer(wp_zone *zone, const char *at)
{
    int32_t west;
    if ((at = skip_name(at)) == NULL || (at = read_clock(at, &west)) == NULL)
        return false;
    zone->standard = zone->daylight = -west;
    if (*at == '\0') {
        zone->offsets[zone->count] = zone->standard;
        return true;
    }
    if ((at = skip_name(at)) == NULL)
        return false;
    zone->daylight = zone->standard + 3600;
    if (*at != ',') {
        if ((at = read_clock(at, &west)) == NULL)
            return false;
        zone->daylight = -west;
    }
    if ((at = read_change(at, &zone->to_daylight)) == NULL ||
        (at = read_change(at, &zone->to_standard)) == NULL || *at != '\0')
        return false;
    zone->has_rule = true;
    return true;
}

static wp_zone *zone_from_block(tz_counts counts, const unsigned char *block, unsigned width)
{
    wp_zone *zone = wp_alloc_zero(sizeof *zone);
    if (zone == NULL)
        return NULL;
    zone->count = (size_t)counts.instants;
    zone->instants = wp_alloc_array(zone->count, sizeof *zone->instants);
    zone->offsets = wp_alloc_array(zone->count + 1, sizeof *zone->offsets);
    const unsigned char *types = block + counts.instants * width;
    const unsigned char *records = types + counts.instants;
    bool fine = zone->instants != NULL && zone->offsets != NULL;
    if (fine)
        zone->offsets[0] = (int32_t)(uint32_t)big_endian(records, 4);
    for (size_t i = 0; fine && i < zone->count; i++) {
        uint64_t bits = big_endian(block + i * width, width);
        zone->instants[i] = width == 8 ? (int64_t)bits : (int32_t)(uint32_t)bits;
        fine = types[i] < counts.types && (i == 0 || zone->instants[i] > zone->instants[i - 1]);
        if (fine)
            zone->offsets[i + 1] = (int32_t)(uint32_t)big_endian(records + types[i] * 6, 4);
    }
    for (size_t i = 0; fine && i <= zone->count; i++)
        fine = zone->offsets[i] > -200000 && zone->offsets[i] < 200000;
    if (fine)
        return zone;
    wp_zone_free(zone);
    return NULL;
}

/* NULL: not a TZif file this can read. */
static wp_zone *zone_from_bytes(const unsigned char *bytes, size_t size)
{
    if (size < 44 || memcmp(bytes, "TZif", 4) != 0)
        return NULL;
    unsigned width = 4;
    size_t at = 0;
    tz_counts counts = read_counts(bytes);
    if (bytes[4] >= '2') {
        uint64_t skip = 44 + block_size(counts, 4);
        if (skip + 44 > size || memcmp(bytes + skip, "TZif", 4) != 0)
            return NULL;
        at = (size_t)skip;
        width = 8;
        counts = read_counts(bytes + at);
    }
    at += 44;
    uint64_t block = block_size(counts, width);
    if (counts.types == 0 || block > size - at)
        return NULL;
    wp_zone *zone = zone_from_block(counts, bytes + at, width);
    at += (size_t)block;
    if (zone == NULL || width == 4 || at >= size || bytes[at] != '\n')
        return zone;
    char footer[128];
    const unsigned char *end = memchr(bytes + at + 1, '\n', size - at - 1);
    size_t length = end == NULL ? 0 : (size_t)(end - (bytes + at + 1));
    if (length == 0 || length >= sizeof footer)
        return zone;
    memcpy(footer, bytes + at + 1, length);
    footer[length] = '\0';
    if (read_footer(zone, footer))
        return zone;
    wp_zone_free(zone);
    return NULL;
}

static bool is_zone_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '/' || strlen(name) > 64 || strstr(name, "..") != NULL)
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
           strlen(name);
}

static size_t read_zone_file(const char *name, unsigned char *bytes, size_t capacity)
{
    static const char *const folders[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
                                          "/usr/share/lib/zoneinfo", "/etc/zoneinfo"};
    const char *own = getenv("TZDIR");
    for (size_t i = 0; i < sizeof folders / sizeof *folders + 1; i++) {
        const char *folder = i == 0 ? own : folders[i - 1];
        char path[512];
        if (folder == NULL ||
            snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
            continue;
        FILE *file = fopen(path, "rb");
        if (file == NULL)
            continue;
        size_t size = fread(bytes, 1, capacity, file);
        fclose(file);
        if (size > 0)
            return size;
    }
    return 0;
}

wp_status wp_zone_load(const char *name, wp_zone **out, wp_error *err)
{
    int32_t offset = 0;
    bool is_utc = strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0 || strcmp(name, "GMT") == 0;
    wp_zone *zone;
    if (is_utc || parse_offset(name, &offset)) {
        zone = fixed_zone(offset);
        if (zone == NULL)
            return wp_fail_memory(err, sizeof *zone);
        *out = zone;
        return WP_OK;
    }
    const size_t capacity = 1 << 17;
    unsigned char *bytes = wp_alloc(capacity);
    if (bytes == NULL)
        return wp_fail_memory(err, capacity);
    size_t size = is_zone_name(name) ? read_zone_file(name, bytes, capacity) : 0;
    zone = zone_from_bytes(bytes, size);
    wp_free(bytes);
    if (zone == NULL)
        return wp_fail(err, WP_INVALID,
                       "timezone '%.64s': unknown (expected a name such as 'Europe/Berlin', known "
                       "to the system's zoneinfo, or an offset such as '+02:00')",
                       name);
    *out = zone;
    return WP_OK;
}

void wp_zone_free(wp_zone *zone)
{
    if (zone == NULL)
        return;
    wp_free(zone->instants);
    wp_free(zone->offsets);
    wp_free(zone);
}

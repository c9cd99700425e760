/* Decimal text to double; see number.h.
**
** Nearly every number has at most 19 digits and a small exponent: then the digits are an integer
** below 2^53 and one multiplication or division by an exact power of ten rounds correctly (Clinger
** 1990). The rest goes to strtod in the C locale. */
#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale;
static pthread_once_t locale_once = PTHREAD_ONCE_INIT;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static bool parse_slowly(const char *text, size_t length, double *number)
{
    char copy[512], *end;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    pthread_once(&locale_once, make_locale);
    if (c_locale == (locale_t)0)
        return false;
    *number = strtod_l(copy, &end, c_locale);
    return end == copy + length && isfinite(*number);
}

static bool is_nothing(const char *text, size_t length)
{
    static const char *const words[] = {"NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0)
            return true;
    return false;
}

bool wp_number_parse(const char *text, size_t length, double *number)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    while (length > 0 && (*text == ' ' || *text == '\t'))
        text++, length--;
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (length == 0) {
        *number = NAN;
        return true;
    }
    const char *at = text, *end = text + length;
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    uint64_t digits = 0;
    int count = 0, exponent = 0;
    for (; at < end && (unsigned char)(*at - '0') <= 9; at++, count++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    if (at < end && *at == '.') {
        const char *point = ++at;
        for (; at < end && (unsigned char)(*at - '0') <= 9; at++, count++)
            digits = digits * 10 + (uint64_t)(*at - '0');
        exponent = (int)(point - at);
    }
    if (count == 0) {
        *number = NAN;
        return is_nothing(text, length);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *sign = ++at;
        int power = 0;
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        const char *first = at;
        for (; at < end && (unsigned char)(*at - '0') <= 9 && power < 100000; at++)
            power = power * 10 + (*at - '0');
        if (at == first)
            return false;
        exponent += *sign == '-' ? -power : power;
    }
    if (at != end)
        return false;
    if (count > 19 || digits > 1ULL << 53 || exponent < -22 || exponent > 22)
        return parse_slowly(text, length, number);
    double value = (double)digits;
    value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    *number = negative ? -value : value;
    return true;
}

bool wp_integer_parse(const char *text, size_t length, int64_t *number)
{
    bool negative = length > 0 && *text == '-';
    size_t at = length > 0 && (*text == '-' || *text == '+');
    if (at == length || length - at > 19)
        return false;
    uint64_t value = 0;
    for (; at < length; at++) {
        if ((unsigned char)(text[at] - '0') > 9)
            return false;
        value = value * 10 + (uint64_t)(text[at] - '0');
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *number = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

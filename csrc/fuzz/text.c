/* Hostile bytes as numbers, instants and formats: nothing is read past its end, and what is
** accepted survives being written and read again. */
#include "base/number.h"
#include "base/time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text =
        malloc(size > 0 ? size : 1); /* exactly as long as said, so that a step too far is seen */
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    double number;
    int64_t integer, time_us, again;
    if (wp_number_parse(text, size, &number) && isinf(number))
        abort();
    (void)wp_integer_parse(text, size, &integer);

    bool assumed = false;
    wp_time_rule rule = {0};
    char written[WP_TIME_TEXT];
    if (wp_time_parse(&rule, text, size, &time_us, &assumed)) {
        size_t length = wp_time_text(time_us, NULL, written);
        if (length >= sizeof written)
            abort();
        if (time_us >= 0 &&
            (!wp_time_parse(&rule, written, length, &again, &assumed) || again != time_us))
            abort();
    }
    /* the first half as a format for the second */
    size_t half = size / 2;
    char *format = malloc(half + 1);
    if (format != NULL) {
        memcpy(format, data, half);
        format[half] = '\0';
        if (wp_time_format_problem(format) == NULL) {
            rule.format = format;
            (void)wp_time_parse(&rule, text + half, size - half, &time_us, &assumed);
        }
    }
    free(format);
    free(text);
    return 0;
}

/* Cells; see cell.h. */
#include "ingest/cell.h"

#include "base/number.h"

#include <stdio.h>

/* A whole number loses its ".0": ids and codes often pass through a float column. */
static size_t write_real(double real, char *text, size_t text_size)
{
    if (real == floor(real) && fabs(real) < 0x1p53)
        return (size_t)snprintf(text, text_size, "%.0f", real + 0.0);
    double back;
    int length = snprintf(text, text_size, "%.15g", real);
    for (char *at = text; *at != '\0'; at++)
        *at = *at == ',' ? '.' : *at; /* the program may have set a locale */
    if (wp_number_parse(text, (size_t)length, &back) && back == real)
        return (size_t)length;
    length = snprintf(text, text_size, "%.17g", real);
    for (char *at = text; *at != '\0'; at++)
        *at = *at == ',' ? '.' : *at;
    return (size_t)length;
}

/* Decimal digits, written from the end of `digits` two at a time: ids in databases are mostly
** integers. */
static wp_slice write_integer(int64_t integer, char *digits, size_t digits_size)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    uint64_t left = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    char *end = digits + digits_size, *at = end;
    for (; left >= 100; left /= 100) {
        at -= 2;
        memcpy(at, pairs + left % 100 * 2, 2);
    }
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (integer < 0)
        *--at = '-';
    return (wp_slice){at, (size_t)(end - at)};
}

wp_slice wp_cell_text(wp_cell *cell)
{
    switch (cell->kind) {
    case WP_CELL_INTEGER:
        return write_integer(cell->integer, cell->digits, sizeof cell->digits);
    case WP_CELL_REAL:
        return (wp_slice){cell->digits, write_real(cell->real, cell->digits, sizeof cell->digits)};
    case WP_CELL_TEXT:
        return cell->text;
    default:
        return (wp_slice){NULL, 0};
    }
}

bool wp_cell_number(const wp_cell *cell, double *number)
{
    *number = NAN;
    switch (cell->kind) {
    case WP_CELL_INTEGER:
        *number = (double)cell->integer;
        return true;
    case WP_CELL_REAL:
        *number = cell->real;
        return !isinf(cell->real);
    case WP_CELL_TEXT:
        return wp_number_parse(cell->text.text, cell->text.length, number);
    default:
        return true;
    }
}

bool wp_cell_time(wp_cell *cell, const wp_time_rule *rule, int64_t *time_us, bool *zone_assumed)
{
    if (wp_cell_missing(cell))
        return false;
    if (rule->format == NULL && cell->kind == WP_CELL_INTEGER)
        return wp_time_from_integer(rule, cell->integer, time_us);
    if (rule->format == NULL && cell->kind == WP_CELL_REAL)
        return wp_time_from_double(rule, cell->real, time_us);
    wp_slice text = wp_cell_text(cell); /* 20240301 under "%Y%m%d" is a text too */
    return wp_time_parse(rule, text.text, text.length, time_us, zone_assumed);
}

bool wp_cell_order(const wp_cell *cell, wp_order *order)
{
    *order = WP_ORDER_MISSING;
    switch (cell->kind) {
    case WP_CELL_INTEGER:
        *order = (wp_order){cell->integer, 0};
        return true;
    case WP_CELL_REAL:
        if (!(fabs(cell->real) < 0x1p62))
            return isnan(cell->real);
        *order = (wp_order){(int64_t)floor(cell->real),
                            (uint32_t)((cell->real - floor(cell->real)) * 0x1p32)};
        return true;
    case WP_CELL_TEXT:
        return wp_order_parse(cell->text.text, cell->text.length, order);
    default:
        return true;
    }
}

/* The value as it is quoted in a message: at most 60 bytes, no line breaks. */
static void quote(wp_cell *cell, char *quoted, size_t quoted_size)
{
    wp_slice text = wp_cell_text(cell);
    size_t length = text.length > 60 ? 60 : text.length;
    length = length < quoted_size ? length : quoted_size - 1;
    while (length < text.length && length > 0 && ((unsigned char)text.text[length] & 0xc0) == 0x80)
        length--; /* never inside a character */
    for (size_t i = 0; i < length; i++)
        quoted[i] = (unsigned char)text.text[i] < ' ' ? ' ' : text.text[i];
    quoted[length] = '\0';
}

wp_status wp_fail_missing(wp_error *err, const char *place, const char *column)
{
    return wp_fail(err, WP_PARSE, "%s: column '%s': is empty (expected a value)", place, column);
}

wp_status wp_fail_number(wp_error *err, const char *place, const char *column, wp_cell *cell)
{
    char value[64];
    quote(cell, value, sizeof value);
    return wp_fail(err, WP_PARSE, "%s: column '%s': '%s' is not a number", place, column, value);
}

wp_status wp_fail_order(wp_error *err, const char *place, const char *column, wp_cell *cell)
{
    char value[64];
    quote(cell, value, sizeof value);
    return wp_fail(err, WP_PARSE, "%s: column '%s': '%s' is not an order (a number or a time)",
                   place, column, value);
}

wp_status wp_fail_time(wp_error *err, const char *place, const char *column, wp_cell *cell,
                       const wp_time_rule *rule)
{
    char value[64];
    if (wp_cell_missing(cell))
        return wp_fail_missing(err, place, column);
    quote(cell, value, sizeof value);
    if (rule->format != NULL)
        return wp_fail(err, WP_PARSE, "%s: column '%s': '%s' is not a time (expected '%s')", place,
                       column, value, rule->format);
    return wp_fail(err, WP_PARSE,
                   "%s: column '%s': '%s' is not a time (expected ISO 8601 or epoch)", place,
                   column, value);
}

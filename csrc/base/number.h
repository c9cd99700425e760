/* Decimal text to double, correctly rounded, whatever the locale. */
#ifndef WP_BASE_NUMBER_H
#define WP_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [+-] digits [ . digits ] [ e [+-] digits ], blanks around it ignored. Empty text and the usual
** words for "nothing" (NA, NaN, null, None, \N) give NaN. False: not a finite number. */
bool wp_number_parse(const char *text, size_t length, double *number);

/* [+-] digits that fit 64 bits, nothing around. */
bool wp_integer_parse(const char *text, size_t length, int64_t *number);

#endif

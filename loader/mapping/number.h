/* number: whether a JSON number converts exactly into a column of a binary type.
 *
 * All arithmetic is on the digits as sent, never on a rounded double. Input is a number
 * that json_doc accepted, of any length. The locale does not matter. Pure.
 */
#ifndef LOADER_MAPPING_NUMBER_H
#define LOADER_MAPPING_NUMBER_H

#include "common/base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define NUMBER_DIGITS 20 /* more than any int64 or shortest double has */

/* digits x 10^exponent; no zeros at either end of the digits, so that equal numbers look
 * equal. Zero has no digits. */
struct number {
    char digits[NUMBER_DIGITS + 1]; /* NUL-terminated */
    uint64_t count;                 /* `digits` holds the first NUMBER_DIGITS of them */
    bool is_negative;
    int64_t exponent; /* saturates far beyond anything a column can hold */
};

/* Takes a JSON number apart. */
void number_read(struct view json, struct number *out);

/* The number as an integer; false when it is none or lies outside of min .. max. */
bool number_to_integer(const struct number *n, int64_t min, int64_t max, int64_t *out);

/* True when numeric(precision, scale) holds the number without rounding. */
bool number_fits_numeric(const struct number *n, int precision, int scale);

/* True when PostgreSQL's shortest text of the double precision nearest to the number
 * denotes that very number: 12.34 does, 12.340000000000000001 does not. */
bool number_fits_double(const struct number *n);

/* The double precision nearest to a number of which number_fits_double is true. */
double number_to_double(const struct number *n);

#endif

#include "loader/mapping/number.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

/* Where exponents saturate: far outside of every type, far inside of int64. */
#define EXPONENT_LIMIT INT64_C(1000000000000)

#define INTEGER_DIGITS 19 /* of the greatest int64 */

/* Decimals of up to 15 digits are told apart by doubles, wherever these are normal. */
#define SAFE_DIGITS 15
#define SAFE_MIN_EXPONENT (-290)
#define SHORTEST_MAX_DIGITS 17

/* A midpoint between two doubles has at most 767 digits: a step of 10^-800 to either side
 * of a short decimal crosses no other one. */
#define STEP_DIGITS 800

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Stops once the value is beyond every type: an exponent may have any length. */
static int64_t read_exponent(struct view text)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    int64_t value = 0;
    for (size_t i = 0; i < text.len && value < EXPONENT_LIMIT; i++) {
        if (is_digit(text.data[i])) {
            value = value * 10 + (text.data[i] - '0');
        }
    }
    return is_negative ? -value : value;
}

/* Adds the digit, `times` times; beyond what `digits` holds it only counts. */
static void add_digits(struct number *n, char digit, uint64_t times)
{
    for (uint64_t i = n->count; i < n->count + times && i < NUMBER_DIGITS; i++) {
        n->digits[i] = digit;
    }
    n->count += times;
}

/* Trailing zeros are held back until another digit follows, so equal numbers end up
 * equal. */
void number_read(struct view json, struct number *out)
{
    struct number n = { .is_negative = json.len > 0 && json.data[0] == '-' };
    uint64_t zeros = 0; /* zeros that count only if another digit follows */
    bool is_fraction = false;
    int64_t exponent = 0;
    for (size_t i = n.is_negative ? 1 : 0; i < json.len; i++) {
        char c = json.data[i];
        if (c == '.') {
            is_fraction = true;
            continue;
        }
        if (!is_digit(c)) {
            exponent += read_exponent(view_skip(json, i + 1));
            break;
        }
        exponent -= is_fraction ? 1 : 0;
        if (c != '0') {
            add_digits(&n, '0', zeros);
            add_digits(&n, c, 1);
            zeros = 0;
        } else if (n.count > 0) {
            zeros++;
        }
    }
    n.exponent = n.count == 0 ? 0 : exponent + (int64_t)zeros;
    n.digits[n.count < NUMBER_DIGITS ? n.count : NUMBER_DIGITS] = '\0';
    *out = n;
}

bool number_to_integer(const struct number *n, int64_t min, int64_t max, int64_t *out)
{
    if (n->exponent < 0 || n->exponent + (int64_t)n->count > INTEGER_DIGITS) {
        return false;
    }
    uint64_t magnitude = 0; /* below 10^19: cannot overflow */
    for (uint64_t i = 0; i < n->count; i++) {
        magnitude = magnitude * 10 + (uint64_t)(n->digits[i] - '0');
    }
    for (int64_t i = 0; i < n->exponent; i++) {
        magnitude *= 10;
    }
    uint64_t limit = n->is_negative ? (uint64_t) - (min + 1) + 1 : (uint64_t)max;
    if (magnitude > limit) {
        return false;
    }
    *out = n->is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool number_fits_numeric(const struct number *n, int precision, int scale)
{
    return n->count == 0 || (n->exponent >= -scale &&
                             n->exponent + (int64_t)n->count <= precision - scale);
}

/* A decimal without sign; the point is where the exponent says. */
struct decimal {
    char digits[SHORTEST_MAX_DIGITS + 2];
    int count;
    int exponent;
};

/* Without a decimal point in the text, strtod cannot depend on the locale. */
static double to_double(const char *digits, int exponent)
{
    char text[SHORTEST_MAX_DIGITS + STEP_DIGITS + 32];
    (void)snprintf(text, sizeof(text), "%se%d", digits, exponent);
    return strtod(text, NULL);
}

static double decimal_to_double(const struct decimal *d)
{
    return to_double(d->digits, d->exponent);
}

/* The double nearest to the decimal less (or plus) next to nothing. */
static double beside(const struct decimal *d, bool above)
{
    char digits[SHORTEST_MAX_DIGITS + STEP_DIGITS + 2];
    memcpy(digits, d->digits, (size_t)d->count);
    memset(digits + d->count, above ? '0' : '9', STEP_DIGITS);
    digits[d->count + STEP_DIGITS] = '\0';
    if (above) {
        digits[d->count + STEP_DIGITS - 1] = '1';
    } else {
        int i = d->count - 1;
        for (; digits[i] == '0'; i--) {
            digits[i] = '9';
        }
        digits[i]--;
    }
    return to_double(digits, d->exponent - STEP_DIGITS);
}

/* True when the decimal reads back as `value`, by readers that round halves differently
 * too: PostgreSQL's output avoids decimals halfway between two doubles. */
static bool denotes(const struct decimal *d, double value)
{
    return decimal_to_double(d) == value && beside(d, true) == value &&
           beside(d, false) == value;
}

/* The decimal of `count` digits nearest to `value`, which is positive and finite. */
static void nearest_decimal(double value, int count, struct decimal *out)
{
    char text[SHORTEST_MAX_DIGITS + 16];
    (void)snprintf(text, sizeof(text), "%.*e", count - 1, value);
    const char *at = text;
    out->count = 0;
    for (; *at != 'e';
         at++) { /* whatever stands between the digits is the locale's point */
        if (is_digit(*at)) {
            out->digits[out->count++] = *at;
        }
    }
    out->digits[out->count] = '\0';
    out->exponent = (int)strtol(at + 1, NULL, 10) - (count - 1);
}

/* The next decimal of the same exponent; false when it would need another digit or be
 * zero. */
static bool neighbour(const struct decimal *d, bool above, struct decimal *out)
{
    char wraps = above ? '9' : '0';
    *out = *d;
    int i = d->count - 1;
    for (; i >= 0 && out->digits[i] == wraps; i--) {
        out->digits[i] = above ? '0' : '9';
    }
    if (i < 0) {
        return false;
    }
    out->digits[i] = (char)(out->digits[i] + (above ? 1 : -1));
    return out->digits[0] != '0';
}

/* The shortest decimal that denotes `value`, the nearest one of that length: what
 * PostgreSQL prints. At a power of two the nearest one may miss the narrow side while the
 * one beside it hits the wide one. */
static void shortest_decimal(double value, struct decimal *out)
{
    for (int count = 1; count < SHORTEST_MAX_DIGITS; count++) {
        struct decimal near;
        nearest_decimal(value, count, &near);
        if (denotes(&near, value)) {
            *out = near;
            return;
        }
        if ((neighbour(&near, true, out) && denotes(out, value)) ||
            (neighbour(&near, false, out) && denotes(out, value))) {
            return;
        }
    }
    nearest_decimal(value, SHORTEST_MAX_DIGITS, out);
}

/* The shortest text has no trailing zeros either, but for the 17 digits of last resort.
 */
static bool is_same(const struct number *n, struct decimal *d)
{
    while (d->count > 1 && d->digits[d->count - 1] == '0') {
        d->digits[--d->count] = '\0';
        d->exponent++;
    }
    return n->exponent == d->exponent && strcmp(n->digits, d->digits) == 0;
}

double number_to_double(const struct number *n)
{
    double value = n->count == 0 ? 0 : to_double(n->digits, (int)n->exponent);
    return n->is_negative ? -value : value;
}

/* Few numbers need the search: prices and counts have at most 15 digits. */
bool number_fits_double(const struct number *n)
{
    if (n->count == 0) {
        return true;
    }
    int64_t point = n->exponent + (int64_t)n->count; /* digits before the point */
    if (n->count > SHORTEST_MAX_DIGITS || point > DBL_MAX_10_EXP + 1 ||
        point < DBL_MIN_10_EXP - SHORTEST_MAX_DIGITS) {
        return false;
    }
    bool is_safe = n->exponent < 0
                       ? n->count <= SAFE_DIGITS && n->exponent >= SAFE_MIN_EXPONENT
                       : point <= SAFE_DIGITS;
    if (is_safe) {
        return true;
    }
    double value = to_double(n->digits, (int)n->exponent);
    if (value == 0 || value > DBL_MAX) {
        return false;
    }
    struct decimal shortest;
    shortest_decimal(value, &shortest);
    return is_same(n, &shortest);
}

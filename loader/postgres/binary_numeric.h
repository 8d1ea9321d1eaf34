/* binary_numeric: a JSON number in PostgreSQL's wire form of numeric. Pure.
 *
 * What numeric_in would make of the same text: the scale is the number of digits behind
 * the point as written, less the exponent ("1.10e1" is 11.0), zeros at the end stay, -0
 * is 0. Four decimal digits make one of the wire's (base 10,000), counted from the point.
 * Source: PostgreSQL's numeric_recv and set_var_from_str (src/backend/utils/adt/
 * numeric.c).
 */
#ifndef LOADER_POSTGRES_BINARY_NUMERIC_H
#define LOADER_POSTGRES_BINARY_NUMERIC_H

#include "common/base/buf.h"
#include "common/base/view.h"

/* Appends the value, without its length. False, and nothing is appended, for what the
 * wire cannot hold: more than 131,072 digits before the point or 16,383 behind it. `json`
 * is a JSON number. */
MUST_CHECK bool binary_numeric_add(struct buf *out, struct view json);

#endif

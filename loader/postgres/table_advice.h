/* table_advice: says what is wrong with a table that cannot be loaded, and the statement
 * that mends it.
 *
 * For the log, `status` and `check` alike, so that a person reads the same words wherever
 * he looks. Pure.
 */
#ifndef LOADER_POSTGRES_TABLE_ADVICE_H
#define LOADER_POSTGRES_TABLE_ADVICE_H

#include "loader/mapping/table.h"
#include "loader/mapping/table_fault.h"

#include "common/base/buf.h"

/* A short word for metrics and the column `reason`: "no table", "no unique key", .. */
const char *table_advice_word(enum table_fault fault);

/* Appends one sentence about one fault of `t`: what is wrong, and what to run. `role` is
 * the loader's role, quoted; NULL: LOADER_ROLE stands for it. */
void table_advice_add(struct buf *out, const struct table *t, enum table_fault fault,
                      const char *role);

/* The weightiest of the table's faults among `wanted` (bits); 0: it has none of them. */
enum table_fault table_advice_first(const struct table *t, unsigned wanted);

#endif

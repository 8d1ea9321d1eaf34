/* lookup: which ids of a load are in its table: a statement that the session prepares
 * once for each table. Pure: SQL text only.
 *
 * Prepared, since its plan costs more than its answer; with the generic plan
 * (plan_cache_mode), since planning for 5,000 given values takes each of them into
 * account. The ids are given as one array.
 */
#ifndef LOADER_POSTGRES_LOOKUP_H
#define LOADER_POSTGRES_LOOKUP_H

#include "loader/mapping/table.h"

#include "common/base/buf.h"

/* Its results: the id, then its row's _sdc_sequence. */
#define LOOKUP_ID "backstitch_id"

/* Is the table one whose rows can be looked up, and loaded without staging: has it the
 * key and the sequence in the types that are compared, and a column for the time of the
 * load? */
bool lookup_fits(const struct table *t);

/* Appends the statements that prepare and forget look-up `number`. */
void lookup_write_prepare(const struct table *t, unsigned number, struct buf *sql);
void lookup_write_forget(unsigned number, struct buf *sql);

/* Begins the statement that asks; then come the ids, each added by lookup_add_text, and
 * lookup_write_end. */
void lookup_write_begin(unsigned number, struct buf *sql);
void lookup_write_end(struct buf *sql);

/* Appends a text as the next element of an array that stands in a quoted literal; the
 * first one is not `next`. */
void lookup_add_text(struct buf *sql, bool is_next, struct view text);

#endif

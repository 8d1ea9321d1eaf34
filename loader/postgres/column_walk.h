/* column_walk: goes through a table from its first message id to its last, a bounded step
 * at a time.
 *
 * By key, not by place: a step needs only the index that the table must have anyway,
 * works for partitioned tables and every version of PostgreSQL, and whoever begins again
 * begins behind what was done. Rows that loads add meanwhile are met or not; those that
 * must not be missed are kept away by other means (column_move). One thread.
 */
#ifndef LOADER_POSTGRES_COLUMN_WALK_H
#define LOADER_POSTGRES_COLUMN_WALK_H

#include "loader/mapping/table.h"
#include "loader/postgres/connection.h"

/* A step ends at this many rows, or at this many bytes of _sdc_extra, whichever is first:
 * milliseconds of work, and rows locked for no longer. */
#define COLUMN_WALK_ROWS 1000
#define COLUMN_WALK_BYTES (8 * 1024 * 1024)

struct column_walk {
    struct connection *connection;
    const struct table *table;
    struct buf from, to; /* the step: ids above `from` up to `to`; empty at the start */
    int64_t rows;        /* met so far */
    int64_t about;       /* rows of the table, as its statistics have it; -1: unknown */
};

/* Begins before the first id; `t` must outlive the walk. */
MUST_CHECK bool column_walk_begin(struct column_walk *w, struct connection *c,
                                  const struct table *t, struct error *err);

/* Moves on to the next step; *out_is_over at the end of the table. */
MUST_CHECK bool column_walk_next(struct column_walk *w, bool *out_is_over,
                                 struct error *err);

/* Appends `message_id > $1 AND message_id <= $2`, for parameters of column_walk_bounds.
 */
void column_walk_add_range(struct buf *sql);

/* Frees what the walk holds. */
void column_walk_release(struct column_walk *w);

/* Appends "schema"."table". */
void column_walk_add_table(struct buf *sql, const struct table *t);

#endif

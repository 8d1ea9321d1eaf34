/* column_move: moves the values of one path between _sdc_extra and a column, a step at a
 * time, while loading goes on.
 *
 * Each step is a transaction of its own: the schema's lock shared, as every writer holds
 * it, the table checked to be what was read (BS002), its rows locked in the order of
 * their ids, moved, committed. Whoever stops in between has moved what he has moved;
 * beginning again meets only the rest. What keeps loads from adding rows to the other
 * side is done first, under the schema's exclusive lock: the column is made (promote), or
 * marked as demoted. One thread.
 */
#ifndef LOADER_POSTGRES_COLUMN_MOVE_H
#define LOADER_POSTGRES_COLUMN_MOVE_H

#include "loader/postgres/column_walk.h"

#include "common/base/arena.h"
#include "common/contract/json_doc.h"

struct column_move {
    struct connection *connection;
    const struct table *table; /* as read by table_reader_read */
    struct view path;          /* dotted, as stored */
    struct view column;
    struct buf twin; /* "<column>__st" */
    struct column_walk walk;
    int64_t moved; /* rows */
    int64_t
        to_twin; /* of them, into the twin, because the column cannot hold the value */
    bool
        needs_twin; /* a step met such a value and there is no twin: make it, try again */
    struct json_doc doc; /* scratch */
    struct arena arena;  /* scratch */
};

/* Begins at the table's first row; texts and table must outlive the move. */
MUST_CHECK bool column_move_begin(struct column_move *m, struct connection *c,
                                  const struct table *t, struct view path,
                                  struct view column, struct error *err);
void column_move_release(struct column_move *m);

/* Goes on with the table as it is now, read again (after BS002, or with its twin). */
void column_move_set_table(struct column_move *m, const struct table *t);

/* One step from _sdc_extra into the column, by the rules of the mapping; rows whose
 * column holds another spelling's value keep theirs. With needs_twin set nothing was
 * moved: the same step comes again. *out_is_over at the end of the table. */
MUST_CHECK bool column_move_promote(struct column_move *m, bool *out_is_over,
                                    struct error *err);

/* One step from column and twin into _sdc_extra. Numbers, booleans and JSON stay what
 * they are; what is text in the table is a string there. */
MUST_CHECK bool column_move_demote(struct column_move *m, bool *out_is_over,
                                   struct error *err);

/* Marks the column as demoted, or no longer, and waits for the loads under way. */
MUST_CHECK bool column_move_mark(struct connection *c, const struct table *t,
                                 struct view column, struct view path, struct error *err);
MUST_CHECK bool column_move_unmark(struct connection *c, const struct table *t,
                                   struct view column, struct error *err);

/* Drops column and twin, which are empty by now. */
MUST_CHECK bool column_move_drop(const struct column_move *m, struct error *err);

#endif

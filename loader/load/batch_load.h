/* batch_load: what a part of a batch asks of the database: a `struct sink_load` made from
 * its records, without those that wait for a held table, and with the note that they
 * wait.
 *
 * Pure. Rows, rejected events and deletions stay where they are, in the batch: a part of
 * a batch is a range of its records, and what was made of them lies in the same order.
 */
#ifndef LOADER_LOAD_BATCH_LOAD_H
#define LOADER_LOAD_BATCH_LOAD_H

#include "loader/load/batch.h"
#include "loader/load/held_tables.h"

struct batch_load {
    struct sink_load load; /* points into the arrays below and into the batch */
    struct sink_interval *intervals;
    struct sink_rows *tables; /* as many as the batch has, in its order */
    struct sink_range slice;
    size_t *first_row; /* of each table: load.tables[i].rows[0] in the batch */
    struct sink_rejected *rejected;
    struct sink_hold *holds;
    size_t hold_capacity;
    struct sink_tally *tallies; /* at most as many as there are schemas times types */
    size_t tally_capacity;
};

/* The load of the records [from, to) of the batch. Borrows from batch and `held`. */
void batch_load_make(const struct batch *b, size_t from, size_t to,
                     const struct held_tables *held, struct batch_load *out);

/* Frees the arrays. */
void batch_load_release(struct batch_load *l);

/* The schema that an event of this schema is rejected into. */
struct view batch_load_rejected_schema(const struct sink_rejected *r);

#endif

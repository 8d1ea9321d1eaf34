/* held_tables: the tables whose records wait, as far as this loader knows, and when each
 * is to be tried again.
 *
 * Which offsets wait is in the database (backstitch.held); this is what one process found
 * out about the tables. A table that was tried again with success is on trial until a
 * load has really taken its rows: it is let in, and only one that loads is forgotten.
 * Plain data, no I/O; one thread.
 */
#ifndef LOADER_LOAD_HELD_TABLES_H
#define LOADER_LOAD_HELD_TABLES_H

#include "loader/postgres/sink.h"

#define HELD_REASON_BYTES 400

struct held_table {
    char schema[SINK_NAME_BYTES];
    char table[SINK_NAME_BYTES];
    struct error why;
    bool needs_columns; /* what stands in the way is that columns cannot be added */
    bool is_on_trial;
    char fingerprint[SINK_NAME_BYTES]; /* of the table when it was held */
    unsigned faults;
    int64_t retry_at_mono_ms;
};

struct held_tables {
    struct held_table *list;
    size_t count, capacity;
};

/* Frees the list. */
void held_tables_release(struct held_tables *h);

/* The entry of a table, or NULL. */
struct held_table *held_tables_find(const struct held_tables *h, struct view schema,
                                    struct view table);

/* True when records of the table are to wait: it is there, and not on trial. */
bool held_tables_has(const struct held_tables *h, struct view schema, struct view table);

/* The entry of a table, made when there is none. Valid until the next call that changes
 * the list. *out_is_new: there was none, or for another reason (SQLSTATE). */
struct held_table *held_tables_put(struct held_tables *h, struct view schema,
                                   struct view table, const struct error *why,
                                   bool *out_is_new);

/* Forgets the table; false when it was not there. */
bool held_tables_remove(struct held_tables *h, struct view schema, struct view table);

#endif

/* table_tries: how often loading a table has failed in a row, by kind: what bounds the
 * trying again.
 *
 * A count begins anew when the table has changed (its fingerprint) and is forgotten when
 * its rows were loaded. Plain data; one thread.
 */
#ifndef LOADER_LOAD_TABLE_TRIES_H
#define LOADER_LOAD_TABLE_TRIES_H

#include "loader/postgres/sink.h"

struct table_tries {
    char schema[SINK_NAME_BYTES];
    char table[SINK_NAME_BYTES];
    char fingerprint[SINK_NAME_BYTES];
    unsigned stale;  /* it was said to have changed, and had not */
    unsigned locked; /* somebody else held it beyond lock_timeout */
    unsigned trials; /* rows were refused, but none of them alone */
};

struct tries {
    struct table_tries *list;
    size_t count, capacity;
};

/* Frees the list. */
void tries_release(struct tries *t);

/* The counts of a table, all zero when there were none for this fingerprint. Valid until
 * the next call. */
struct table_tries *tries_of(struct tries *t, struct view schema, struct view table,
                             struct view fingerprint);

/* Forgets all counts. */
void tries_clear(struct tries *t);

#endif

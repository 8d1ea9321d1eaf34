/* direct_load: loads straight into the tables, in a dialogue within one transaction.
 *
 * The client knows by a look-up which ids are there: what is new goes into its table by
 * binary COPY, what cannot win is dropped, and only what must replace a row, or belongs
 * to a user who asked for deletion, goes by the staging table, in the same transaction.
 * Near COPY's own speed where the staged load (load.h) takes twice the time. Nothing is
 * decided here that the staged load would decide otherwise: whatever goes wrong, but for
 * what concerns no row (the position, the table's shape, the connection), takes
 * everything back, and the same load is to be tried the staged way. One connection, one
 * thread; blocks until the server has answered.
 */
#ifndef LOADER_POSTGRES_DIRECT_LOAD_H
#define LOADER_POSTGRES_DIRECT_LOAD_H

#include "loader/postgres/load.h"

enum direct_outcome {
    DIRECT_DONE,
    DIRECT_FAILED,      /* BS001, BS002, or the connection is lost: *err says which */
    DIRECT_ROLLED_BACK, /* load it the staged way; *err says why, for the log */
};

/* Where tests stop it to do something beside it. */
enum direct_step {
    DIRECT_BEFORE_HEAD,
    DIRECT_BEFORE_COPY, /* the look-up is answered */
    DIRECT_BEFORE_TAIL,
};

struct direct_pause {
    void (*at)(void *context, enum direct_step step);
    void *context;
};

/* Loads it as load_run does; nothing is loaded unless it returns DIRECT_DONE.
 * *failed_table says which table's COPY was refused, SINK_NO_TABLE: it was something
 * else. `pause`: NULL but in tests. */
enum direct_outcome direct_load_run(const struct load_setup *setup,
                                    const struct sink_load *load,
                                    const struct direct_pause *pause,
                                    struct load_counts *counts, size_t *failed_table,
                                    struct error *err);

#endif

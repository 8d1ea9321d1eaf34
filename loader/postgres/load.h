/* load: sends a batch's transaction and feeds its COPYs. One connection, one thread;
 * blocks until the server has answered.
 */
#ifndef LOADER_POSTGRES_LOAD_H
#define LOADER_POSTGRES_LOAD_H

#include "loader/postgres/positions.h"
#include "loader/postgres/staging.h"

struct load_setup {
    struct connection *connection;
    struct staging *staging;
    struct positions_key key;
    bool newest_wins;
};

/* Loads the batch; counts[i] belongs to batch table i. On failure nothing is loaded, the
 * connection is left idle (or dead), and *err carries the SQLSTATE. */
MUST_CHECK bool load_batch(const struct load_setup *setup, const struct batch *batch,
                           struct load_counts *counts, struct error *err);

#endif

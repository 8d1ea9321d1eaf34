/* load: sends a load's transaction and feeds its COPYs. One connection, one thread;
 * blocks until the server has answered.
 */
#ifndef LOADER_POSTGRES_LOAD_H
#define LOADER_POSTGRES_LOAD_H

#include "loader/postgres/load_query.h"
#include "loader/postgres/positions.h"
#include "loader/postgres/staging.h"

struct load_setup {
    struct connection *connection;
    struct staging *staging;
    struct positions_key key;
    const char *deletions_of; /* load_query.h */
    bool newest_wins;
    bool overwrites; /* load_query.h */
    bool clears_rejected;
};

/* Loads it, as the port's `load` says (sink.h). On failure the connection is left idle
 * (or dead), and *err carries the SQLSTATE. */
MUST_CHECK bool load_run(const struct load_setup *setup, const struct sink_load *load,
                         struct load_counts *counts, size_t *failed_table,
                         struct error *err);

/* Sends a string made from `query` and feeds its COPYs; fails as load_run does. */
MUST_CHECK bool load_converse(const struct load_setup *setup,
                              const struct load_query *query, const char *sql,
                              struct load_counts *counts, size_t *failed_table,
                              struct error *err);

/* The tables of a load that have rows, by schema and name, with the columns that are
 * filled; returns how many. `tables` has room for all. free() each one's columns. */
size_t load_list_tables(const struct sink_load *load, struct load_table *tables);

/* Sets the columns that any of the table's rows fills; free() them. */
void load_find_columns(struct load_table *t);

#endif

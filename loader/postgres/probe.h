/* probe: tries a row of our own values in a table, rolled back: is it the events that are
 * refused, or does the table refuse everything?
 */
#ifndef LOADER_POSTGRES_PROBE_H
#define LOADER_POSTGRES_PROBE_H

#include "loader/mapping/table.h"
#include "loader/postgres/connection.h"

/* Appends the INSERT of such a row. */
void probe_add_insert(struct buf *sql, const struct table *table);

/* True when the table took a row with every fixed column filled; false with the refusal.
 * Nothing remains of it. */
MUST_CHECK bool probe_table(struct connection *c, const struct table *table,
                            struct error *err);

#endif

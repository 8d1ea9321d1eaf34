/* catalogue: tables as last read from the database, by name.
 *
 * Each entry is an immutable counted table. The writer keeps one of what it has read, the
 * consumer one of what the writer handed back with its results: a batch is mapped for
 * that one, and keeps its reference. Unknown tables are assumed not to exist. One thread
 * each.
 */
#ifndef LOADER_LOAD_CATALOGUE_H
#define LOADER_LOAD_CATALOGUE_H

#include "loader/mapping/table.h"

struct catalogue;

/* An empty catalogue, freed by catalogue_free: then no thread uses it any more; tables
 * that are held stay. */
struct catalogue *catalogue_new(void);
void catalogue_free(struct catalogue *c);

/* The table as known, with a reference of the caller's; one never read: a table that does
 * not exist. */
const struct table *catalogue_get(struct catalogue *c, struct view schema,
                                  struct view name);

/* True when the entry was read from the database. */
bool catalogue_has(struct catalogue *c, struct view schema, struct view name);

/* Replaces the entry of the table's schema and name (takes a reference of its own). */
void catalogue_put(struct catalogue *c, const struct table *table);

/* Forgets one table, or all of them: they are to be read again. */
void catalogue_remove(struct catalogue *c, struct view schema, struct view name);
void catalogue_clear(struct catalogue *c);

#endif

/* table_plan: what only the mapping itself asks of tables and plans: look-up with a known
 * hash.
 *
 * The public half is table.h. A plan also keeps a few numbers for the mapping (where its
 * fixed columns are), so that they are looked up once a plan and not once an event.
 */
#ifndef LOADER_MAPPING_TABLE_PLAN_H
#define LOADER_MAPPING_TABLE_PLAN_H

#include "loader/mapping/table.h"

/* Numbers kept with a plan; all TABLE_PLAN_SLOT_UNSET at first. */
#define TABLE_PLAN_SLOTS 20
#define TABLE_PLAN_SLOT_UNSET (-2)

/* The hash under which column names are found. */
uint32_t table_name_hash(struct view column_name);

/* The index of a column of the table; -1: there is none. `hash` is table_name_hash(name).
 */
int table_find_hashed(const struct table *t, struct view name, uint32_t hash);

/* table_plan_find for a caller that keeps the hash. */
int table_plan_find_hashed(const struct table_plan *p, struct view name, uint32_t hash);

/* TABLE_PLAN_SLOTS numbers of the mapping's. */
int *table_plan_slots(struct table_plan *p);

#endif

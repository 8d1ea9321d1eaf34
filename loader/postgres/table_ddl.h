/* table_ddl: makes schemas, tables and columns that a plan adds.
 *
 * In a transaction of its own, before and outside of the load (an INSERT and an ALTER in
 * one transaction deadlock), under the schema's advisory lock, which loads hold shared:
 * our own loads are waited for and held back; others who hold the table only for a short
 * lock_timeout, so that nobody queues behind us for long (performance.md, 2.4). Only ever
 * adds.
 */
#ifndef LOADER_POSTGRES_TABLE_DDL_H
#define LOADER_POSTGRES_TABLE_DDL_H

#include "loader/mapping/table.h"
#include "loader/postgres/connection.h"

/* The code of a refusal to touch a table that no row can be loaded into (one of
 * TABLE_OBSTACLES); the error's text says why, and what to do. */
#define TABLE_DDL_REFUSED "BS003"

struct table_ddl_options {
    const char *const *grant_select; /* roles, NULL-ended; may be NULL */
    uint64_t new_columns_per_hour;
};

/* Adds what is missing of the plan and reads the table again; TABLE_DDL_REFUSED, and
 * nothing changed, where it cannot be loaded as it is. Columns that exist
 * meanwhile are left as they are; natural columns above the hour's growth are left out:
 * the caller compares. A new schema also gets _sdc_rejected. */
MUST_CHECK bool table_ddl_extend(struct connection *c, const struct table_plan *plan,
                                 const struct table_ddl_options *options,
                                 struct table **out, struct error *err);

/* The same brackets for other DDL of ours: a transaction that holds the schema's lock,
 * and waits for others' locks only briefly; rolling it back, which returns false. */
MUST_CHECK bool table_ddl_begin(struct connection *c, struct view schema,
                                struct error *err);
bool table_ddl_roll_back(struct connection *c);

/* Makes a schema with its _sdc_rejected, where missing: for rejected events of a source
 * without tables. */
MUST_CHECK bool table_ddl_schema(struct connection *c, struct view schema,
                                 const struct table_ddl_options *options,
                                 struct error *err);

#endif

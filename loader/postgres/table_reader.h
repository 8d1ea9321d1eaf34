/* table_reader: reads what a table is from PostgreSQL's catalogue, and how far it may
 * still grow.
 */
#ifndef LOADER_POSTGRES_TABLE_READER_H
#define LOADER_POSTGRES_TABLE_READER_H

#include "loader/mapping/table.h"
#include "loader/postgres/connection.h"

/* Reads the table; one that does not exist gives a table with exists == false; whatever
 * else has its name (a view, ..) exists, and its faults say what is wrong with it.
 * Growth: unlimited during the table's first day, then new_columns_per_hour less the
 * natural columns that any loader added in the last 60 minutes. *out has one reference.
 */
MUST_CHECK bool table_reader_read(struct connection *c, struct view schema,
                                  struct view name, uint64_t new_columns_per_hour,
                                  struct table **out, struct error *err);

/* The same for one who only looks: needs no control schema; without fingerprint, and with
 * unlimited growth. */
MUST_CHECK bool table_reader_look(struct connection *c, const char *schema,
                                  const char *name, struct table **out,
                                  struct error *err);

/* Sets type and sizes from PostgreSQL's type name and modifier, as format_type prints
 * them: "text", "character varying(20)", "numeric(10,2)", .. */
void table_reader_type(struct view type_name, struct column *out);

/* The SQL type of a column that we add. */
const char *table_reader_sql_type(enum column_type type);

#endif

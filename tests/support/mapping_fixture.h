/* mapping_fixture: records, tables and readable results for tests of the mapping.
 *
 * Default headers are those of tests/data/README.md. Everything is built in the arena
 * given.
 */
#ifndef TESTS_SUPPORT_MAPPING_FIXTURE_H
#define TESTS_SUPPORT_MAPPING_FIXTURE_H

#include "loader/mapping/map_event.h"

#include "common/base/buf.h"

#define FIXTURE_RECEIVED_AT_MS INT64_C(1796378405000) /* 2026-12-04T10:00:05Z */

/* A record of a webhook with token, seq 7. */
struct record fixture_record(enum event_type topic, struct view value);

/* "varchar(5)" -> a column of that type; what is not known is COLUMN_OTHER. */
struct column fixture_column(struct view name, struct view sql_type);

/* The SQL name of a planned column's type. */
const char *fixture_type_name(enum column_type type);

/* A table of the event type with these columns; exists says whether the database has it.
 */
struct table *fixture_table(enum event_type type, const struct column *columns,
                            size_t count, bool exists);

/* The table that a plan becomes by DDL. */
struct table *fixture_table_after(const struct table_plan *plan);

/* The text of the row's cell in a column, in the arena; or a view with data == NULL. */
struct view fixture_cell(const struct row *row, const struct table_plan *plan,
                         const char *column, struct arena *arena);

/* Writes all there is to say of a result, for comparison: outcome, cells sorted by column
 * name, counts. Planned columns are not part of it. */
void fixture_describe(const struct map_result *result, const struct table_plan *plan,
                      struct buf *out);

#endif

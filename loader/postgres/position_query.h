/* position_query: the part of a load's query string that moves positions: those of the
 * group, or of a replay, or the start of a held range; and notes what waits for its table
 * (architecture.md, section 4). Pure; the statements are frozen in tests/component/sql.
 */
#ifndef LOADER_POSTGRES_POSITION_QUERY_H
#define LOADER_POSTGRES_POSITION_QUERY_H

#include "loader/postgres/positions.h"
#include "loader/postgres/sink_load.h"

#include "common/base/buf.h"

/* Appends the statements; BS001 is raised where a position is another than was thought.
 */
void position_query_write(const struct positions_key *key, const struct sink_load *load,
                          struct buf *sql);

#endif

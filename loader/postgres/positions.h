/* positions: backstitch.load_offset, the authority on how far each partition is loaded
 * (architecture.md, sections 4 and 5).
 */
#ifndef LOADER_POSTGRES_POSITIONS_H
#define LOADER_POSTGRES_POSITIONS_H

#include "loader/postgres/connection.h"
#include "loader/postgres/sink.h"

/* Whose positions: the keys beside topic and partition. */
struct positions_key {
    const char *group;
    const char *cluster_id;
    const char *owner; /* this process, for people */
};

/* Fills next_offset of each; -1 where there is no row. */
MUST_CHECK bool positions_read(struct connection *c, const struct positions_key *key,
                               struct sink_position *positions, size_t count,
                               struct error *err);

/* Sets one; BS001 unless the row is at `expected` (-1: there is none). */
MUST_CHECK bool positions_set(struct connection *c, const struct positions_key *key,
                              const struct sink_position *position, int64_t expected,
                              struct error *err);

#endif

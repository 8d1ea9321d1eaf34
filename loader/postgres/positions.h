/* positions: backstitch.load_offset, the authority on how far each partition is loaded,
 * and backstitch.held, what waits for a table (architecture.md, sections 4 and 5). Of a
 * replay, backstitch.replay_run stands for the former; it has nothing of the latter.
 */
#ifndef LOADER_POSTGRES_POSITIONS_H
#define LOADER_POSTGRES_POSITIONS_H

#include "loader/postgres/connection.h"
#include "loader/postgres/sink.h"

/* Whose positions: the keys beside topic and partition. */
struct positions_key {
    const char *group;
    const char *cluster_id;
    const char *owner;  /* this process, for people; of a replay "replay RUN" */
    const char *replay; /* the run; NULL: the group's positions */
};

/* Fills next_offset of each; -1 where there is no row. */
MUST_CHECK bool positions_read(struct connection *c, const struct positions_key *key,
                               struct sink_position *positions, size_t count,
                               struct error *err);

/* Moves all or none, and notes the gaps in the same transaction; BS001 when one is not
 * where it is expected. */
MUST_CHECK bool positions_move(struct connection *c, const struct positions_key *key,
                               const struct sink_move *moves, size_t count,
                               struct error *err);

/* What waits for tables (backstitch.held), by partition; free() the list. */
MUST_CHECK bool positions_held(struct connection *c, const struct positions_key *key,
                               struct sink_range **out, size_t *out_count,
                               struct error *err);

/* Notes on a table's ranges that it was tried, and what stands in the way. */
MUST_CHECK bool positions_note_tried(struct connection *c,
                                     const struct positions_key *key, struct view schema,
                                     struct view table, const struct error *why,
                                     struct error *err);

#endif

/* whereabouts: where events that are in the log have ended: their table, _sdc_rejected, a
 * request for deletion, a held range, or not loaded yet. For audits; only reads. One
 * thread.
 */
#ifndef LOADER_POSTGRES_WHEREABOUTS_H
#define LOADER_POSTGRES_WHEREABOUTS_H

#include "loader/postgres/positions.h"
#include "loader/postgres/replay_runs.h"

/* Where the group stands when the audit begins. */
struct whereabouts {
    struct connection *connection;
    struct sink_position *positions; /* of the partitions that are looked at */
    size_t position_count;
    struct sink_range *held;
    size_t held_count;
};

/* Reads where the group stands in these partitions; close frees it, the connection and
 * the run stay the caller's, and outlive it. */
MUST_CHECK bool whereabouts_open(struct whereabouts *w, struct connection *c,
                                 const struct positions_key *key,
                                 const struct replay_run *of, struct error *err);
/* Frees what was read. */
void whereabouts_close(struct whereabouts *w);

/* Ids that are looked for in a table. */
struct whereabouts_search {
    struct view schema, table;
    const struct view *ids;
    bool *is_there; /* by id: the answer */
    size_t count;
};

/* Says for each of the ids whether the table has it. A table that is not there has none.
 */
MUST_CHECK bool whereabouts_find(struct whereabouts *w, struct whereabouts_search *s,
                                 struct error *err);

/* True when the user has asked for deletion after `since_us`. */
MUST_CHECK bool whereabouts_is_deleted(struct whereabouts *w, struct view schema,
                                       struct view user, int64_t since_us, bool *out,
                                       struct error *err);

/* Does the record wait for this table? Was it not reached yet? */
bool whereabouts_is_held(const struct whereabouts *w, const char *topic,
                         int32_t partition, int64_t offset, struct view schema,
                         struct view table);
bool whereabouts_is_ahead(const struct whereabouts *w, const char *topic,
                          int32_t partition, int64_t offset);

#endif

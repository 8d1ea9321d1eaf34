/* postgres_sink: the sink port over libpq. One connection, one thread.
 *
 * Everything of a batch travels as one simple-query string (tests/component/sql holds it
 * as a frozen fixture): two round trips, one transaction.
 */
#ifndef LOADER_POSTGRES_POSTGRES_SINK_H
#define LOADER_POSTGRES_POSTGRES_SINK_H

#include "loader/postgres/sink.h"

struct postgres_sink_setup {
    const char *database_url;      /* NULL: libpq's defaults */
    const char *database_url_file; /* read again before each connection; or NULL */
    const char *group;             /* of the positions */
    const char *replay; /* a run, whose positions stand for the group's; NULL: none */
    const char
        *owner; /* this process, as load_offset and load_stat name it: "host:pid" */
    const char *deletions_of; /* of a replay's target: the schema whose requests for
                                 deletion hold; NULL: each table's own */
    bool newest_wins;         /* LOADER_DUPLICATES */
    bool overwrites; /* the same copy of an event replaces its row: replay --overwrite */
    bool clears_rejected; /* what is loaded leaves _sdc_rejected: rejected retry */
    uint64_t new_columns_per_hour;
    const char *const *grant_select; /* roles, NULL-ended */
};

/* Makes the sink, not yet connected. The setup's strings must outlive it. */
MUST_CHECK bool postgres_sink_open(const struct postgres_sink_setup *setup,
                                   struct sink *out, struct error *err);

/* Disconnects and frees. */
void postgres_sink_close(struct sink *sink);

#endif

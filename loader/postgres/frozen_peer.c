#include "loader/postgres/frozen_peer.h"

#include <inttypes.h>
#include <stdio.h>

/* `active` and reading from its client: inside of a COPY. */
static const char end_sql[] =
    "SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))"
    "  FROM pg_stat_activity a"
    " WHERE a.datname = current_database() AND a.usename = current_user"
    "   AND a.application_name = current_setting('application_name')"
    "   AND a.pid <> pg_backend_pid() AND a.state = 'active'"
    "   AND a.wait_event = 'ClientRead'"
    "   AND a.query_start < clock_timestamp() - $1::bigint * interval '1 ms'";

bool frozen_peer_end(struct connection *c, int64_t after_ms, int64_t *out_count,
                     struct error *err)
{
    char after[24];
    (void)snprintf(after, sizeof after, "%" PRId64, after_ms);
    const char *const values[] = { after };
    struct pg_result *r = NULL;
    if (!connection_query(c, end_sql, 1, values, &r, err)) {
        return false;
    }
    *out_count = connection_field_i64(r, 0, 0);
    connection_free(r);
    return true;
}

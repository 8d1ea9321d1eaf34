/* frozen_peer: ends the sessions of loaders that have stopped in the middle of a COPY.
 *
 * A process that is frozen (SIGSTOP, a paused container or machine) keeps its connection:
 * its kernel still answers. Between two statements the server ends it by
 * idle_in_transaction_session_timeout; but while COPY waits for rows no time-out of
 * PostgreSQL holds (ProcessClientReadInterrupt, src/backend/tcop/postgres.c, heeds only
 * termination there), and its locks would keep its partitions and tables from whoever has
 * taken them over. Ending a session that was only slow loses nothing: its load is rolled
 * back and tried again.
 */
#ifndef LOADER_POSTGRES_FROZEN_PEER_H
#define LOADER_POSTGRES_FROZEN_PEER_H

#include "loader/postgres/connection.h"

/* Ends them, where they have the same role, database and application name as this
 * session, and began the COPY's statement more than `after_ms` ago; *out_count: how many.
 */
MUST_CHECK bool frozen_peer_end(struct connection *c, int64_t after_ms,
                                int64_t *out_count, struct error *err);

#endif

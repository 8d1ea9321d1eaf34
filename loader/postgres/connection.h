/* connection: one libpq connection with our session settings, and statements on it whose
 * failures carry their SQLSTATE.
 *
 * One thread. Values never stand in SQL text but as quoted literals made by
 * connection_add_literal, names by connection_add_name.
 */
#ifndef LOADER_POSTGRES_CONNECTION_H
#define LOADER_POSTGRES_CONNECTION_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/view.h"

#include <stdint.h>

struct pg_conn; /* libpq's own tags of PGconn and PGresult: its header stays out of ours
                 */
struct pg_result;

struct connection {
    struct pg_conn *pg; /* NULL: not connected */
};

/* Can libpq take `database_url` apart (NULL: its own defaults)? If not: INVALID, with a
 * text that shows nothing of the URL. libpq's own messages quote it, password and all, so
 * what would only fail later is asked here. Connects to nothing. */
MUST_CHECK bool connection_check_url(const char *database_url, struct error *err);

/* Connects and sets the session up: time-outs, keep-alives, synchronous_commit, pinned
 * search_path, UTC. The codes of *err are SQLSTATEs; 08006 when the server cannot be
 * reached. */
MUST_CHECK bool connection_open(struct connection *c, const char *database_url,
                                struct error *err);
void connection_close(struct connection *c);

/* Fills *err from the connection's last failure (`result` may be NULL) and returns false.
 * A dead connection gives 08006 whatever the server had said. */
bool connection_failed(const struct connection *c, const struct pg_result *result,
                       const char *doing, struct error *err);

/* Runs `sql` (one or more statements, no COPY). False at the first failure. */
MUST_CHECK bool connection_run(struct connection *c, const char *sql, const char *doing,
                               struct error *err);

/* Runs one statement with text parameters and returns its rows; free them with
 * connection_free. */
MUST_CHECK bool connection_query(struct connection *c, const char *sql, int count,
                                 const char *const *values, struct pg_result **out,
                                 struct error *err);
void connection_free(struct pg_result *result);

/* How many rows a result has. */
int connection_rows(const struct pg_result *result);
/* A field as text; "" for NULL. Valid until connection_free. */
struct view connection_field(const struct pg_result *result, int row, int column);
bool connection_field_is_null(const struct pg_result *result, int row, int column);
int64_t connection_field_i64(const struct pg_result *result, int row, int column);

/* Append a quoted name ("group") or a quoted literal ('it''s'); the text holds no NUL.
 * Both follow PostgreSQL's rules with standard_conforming_strings on, which the session
 * sets. */
void connection_add_name(struct buf *sql, struct view name);
void connection_add_literal(struct buf *sql, struct view text);

#endif

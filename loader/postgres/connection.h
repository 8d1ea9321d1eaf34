/* connection: one libpq connection with our session settings, and statements on it whose
 * failures carry their SQLSTATE.
 *
 * No call waits for ever: libpq is used without blocking, and a server that neither takes
 * nor sends a byte for CONNECTION_SILENCE_MS (a frozen process, a network that drops
 * silently) loses its connection: the socket is closed and the call fails as any lost
 * connection does. Only the resolver's time to look a host name up is its own. One
 * thread, but for the waker. Values never stand in SQL text but as quoted literals made
 * by connection_add_literal, names by connection_add_name.
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

/* The server ends a statement after 30 s by itself; this is that and a margin. */
#define CONNECTION_SILENCE_MS 35000
/* To connect: address by address, TLS, log-in. */
#define CONNECTION_OPEN_MS 10000

struct connection_waker; /* ends calls from another thread */

struct connection {
    struct pg_conn *pg;                   /* NULL: not connected */
    const struct connection_waker *waker; /* NULL: none; borrowed */
    int64_t silence_ms;                   /* 0: CONNECTION_SILENCE_MS */
};

/* FATAL when the process has no file descriptor left. */
MUST_CHECK bool connection_waker_new(struct connection_waker **out, struct error *err);
void connection_waker_free(struct connection_waker *w);

/* While it is on, every call on a connection that has this waker ends within moments with
 * a failure, its connection closed. Any thread. */
void connection_waker_set(struct connection_waker *w, bool is_on);

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
 * The server's own code wins; a dead connection without one gives 08006. */
bool connection_failed(const struct connection *c, const struct pg_result *result,
                       const char *doing, struct error *err);

/* Runs `sql` (one or more statements, no COPY). False at the first failure. */
MUST_CHECK bool connection_run(struct connection *c, const char *sql, const char *doing,
                               struct error *err);

/* A conversation by hand, for COPY: send a string, take its results until *out is NULL
 * (free each with connection_free), and feed a result that asks for it. All fail with the
 * connection closed or dead; what the server refuses is in its result. */
MUST_CHECK bool connection_send(struct connection *c, const char *sql, struct error *err);
MUST_CHECK bool connection_next(struct connection *c, struct pg_result **out,
                                struct error *err);
MUST_CHECK bool connection_put_copy(struct connection *c, const char *data, size_t len,
                                    struct error *err);
MUST_CHECK bool connection_end_copy(struct connection *c, struct error *err);

/* Runs one statement with text parameters and returns its rows; free them with
 * connection_free. */
MUST_CHECK bool connection_query(struct connection *c, const char *sql, int count,
                                 const char *const *values, struct pg_result **out,
                                 struct error *err);
/* The same for a statement whose rows nobody wants. */
MUST_CHECK bool connection_execute(struct connection *c, const char *sql, int count,
                                   const char *const *values, struct error *err);
void connection_free(struct pg_result *result);

/* How many rows a result has. */
int connection_rows(const struct pg_result *result);
/* A field as text; "" for NULL. Valid until connection_free. */
struct view connection_field(const struct pg_result *result, int row, int column);
/* Is it the name of the first column? */
bool connection_field_is(const struct pg_result *result, const char *name);
bool connection_field_is_null(const struct pg_result *result, int row, int column);
double connection_field_double(const struct pg_result *result, int row, int column);
int64_t connection_field_i64(const struct pg_result *result, int row, int column);

/* Append a quoted name ("group") or a quoted literal ('it''s'); the text holds no NUL.
 * Both follow PostgreSQL's rules with standard_conforming_strings on, which the session
 * sets. */
void connection_add_name(struct buf *sql, struct view name);
void connection_add_literal(struct buf *sql, struct view text);

#endif

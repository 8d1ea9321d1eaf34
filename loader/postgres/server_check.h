/* server_check: is this a server, and a way to it, with which loading can work at all?
 *
 * What no waiting mends is said with words, by `check`, at start, and at the first
 * connection when the server was away at start: never found by a statement that fails for
 * ever. One thread; asks questions and changes nothing.
 */
#ifndef LOADER_POSTGRES_SERVER_CHECK_H
#define LOADER_POSTGRES_SERVER_CHECK_H

#include "loader/postgres/connection.h"

/* The code of a refusal; its text says why, and what to do. Other codes are SQLSTATEs: it
 * could not be asked. */
#define SERVER_CHECK_REFUSED "BS004"

/* PostgreSQL 13 or later, with a database in UTF-8: events are, and what another encoding
 * cannot hold would be refused event by event. */
MUST_CHECK bool server_check_database(struct connection *c, struct error *err);

/* No pooler that gives every transaction another session (PgBouncer's pool_mode
 * transaction or statement): our settings, locks and temporary tables live in the
 * session. Opens a second connection to `database_url`: two that are open at once and
 * report one backend's pid, or one that reports two, prove it. When there is no room for
 * a second one, nothing is proved and nothing refused. */
MUST_CHECK bool server_check_sessions(struct connection *c, const char *database_url,
                                      struct error *err);

/* Every role of the list (NULL-ended; may be NULL) exists: a misspelt one would make
 * every CREATE TABLE fail. All missing ones are named. */
MUST_CHECK bool server_check_roles(struct connection *c, const char *const *roles,
                                   struct error *err);

/* All of it, ending at the first refusal. */
MUST_CHECK bool server_check(struct connection *c, const char *database_url,
                             const char *const *roles, struct error *err);

#endif

/* pgbouncer_server: a real PgBouncer in front of a test's PostgreSQL.
 *
 * Own port on loopback, configuration in a temporary folder, as the user `postgres` when
 * we are root (PgBouncer refuses root), ended by its process id. One at a time.
 */
#ifndef TESTS_SUPPORT_PGBOUNCER_SERVER_H
#define TESTS_SUPPORT_PGBOUNCER_SERVER_H

#include <stddef.h>

/* Starts it before the server of `database_url` (postgresql://USER@HOST:PORT/DATABASE, no
 * password), in pool_mode `mode`, and writes the URL through it to `out`. Fails the
 * program with a message when it cannot. */
void pgbouncer_server_start(const char *database_url, const char *mode, char *out,
                            size_t size);

/* Ends it; nothing when it does not run. */
void pgbouncer_server_stop(void);

#endif

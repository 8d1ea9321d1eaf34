/* postgres_server: a real PostgreSQL for component tests.
 *
 * BACKSTITCH_TEST_DATABASE_URL names one that runs already; else a private one is started
 * in a temporary folder: initdb, own port on loopback, as the user `postgres` when we are
 * root (the server refuses root), ended by its process id. Each test gets a database of
 * its own, so tests never meet.
 */
#ifndef TESTS_SUPPORT_POSTGRES_SERVER_H
#define TESTS_SUPPORT_POSTGRES_SERVER_H

/* Starts, or finds, the server; fails the test program with a message when it cannot.
 * Idempotent. */
void postgres_server_start(void);

/* Ends what was started. Call it once at the end of the program. */
void postgres_server_stop(void);

/* Makes an empty database and returns its URL (static buffer, until the next call). */
const char *postgres_server_new_database(void);

/* Ends the server at once (SIGQUIT, as a crash) and starts it again on the same data.
 * Only for a private server. */
void postgres_server_crash_and_restart(void);

#endif

/* load_session: one loader's connection for tests of the frozen load transaction: it can
 * be stopped inside of the transaction, at each COPY.
 *
 * Staging tables as the loader makes them. Functions fail the test when the connection
 * itself does not do as told. One thread per session.
 */
#ifndef TESTS_SUPPORT_LOAD_SESSION_H
#define TESTS_SUPPORT_LOAD_SESSION_H

#include "loader/postgres/connection.h"

#include "tests/support/load_sql.h"

#define LOAD_SESSION_TABLES 2 /* page, track */

struct load_outcome {
    char code[6];    /* SQLSTATE; empty: loaded */
    unsigned copies; /* begun */
    struct {
        int64_t rows_new, rows_replaced, rows_suppressed;
    } counts[LOAD_SESSION_TABLES];
    unsigned counted;
};

struct load_session {
    struct connection connection;
    struct load_outcome outcome; /* of the running or last load */
};

/* Connects and makes the staging tables. */
void load_session_open(struct load_session *s, const char *url);
void load_session_close(struct load_session *s);

/* Makes the staging tables again, as the tables are now. */
void load_session_renew_staging(struct load_session *s);

/* The process id of its server process. */
int load_session_backend(const struct load_session *s);

/* Sends the string. */
void load_session_begin(struct load_session *s, const struct load_sql *values);

/* Reads until the next COPY begins (true) or the load is over (false). */
bool load_session_reach_copy(struct load_session *s);

/* Gives a COPY its rows (text format, lines) and ends it; does not wait for the answer.
 */
void load_session_copy(struct load_session *s, const char *rows);

/* All of it: begin, each table's rows, end. */
void load_session_run(struct load_session *s, const struct load_sql *values,
                      const char *page_rows, const char *track_rows);

#endif

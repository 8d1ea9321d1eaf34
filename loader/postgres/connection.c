#include "loader/postgres/connection.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <libpq-fe.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What every session of ours has (architecture.md, section 6). search_path is pinned so
 * that no function or table of a user can stand in for one of PostgreSQL's;
 * The isolation is pinned because locks are taken before what they protect is read: a
 * snapshot of the whole transaction would be older than they are.
 * client_min_messages keeps "already exists" notices out of the log. jit is off: large
 * batches (40,000 rows: 176 ms of it) are compiled anew each time. */
static const char session_settings[] = "SET statement_timeout = '30s';"
                                       "SET idle_in_transaction_session_timeout = '15s';"
                                       "SET lock_timeout = '5s';"
                                       "SET synchronous_commit = on;"
                                       "SET default_transaction_isolation = "
                                       "'read committed';"
                                       "SET search_path = pg_catalog, pg_temp;"
                                       "SET timezone = 'UTC';"
                                       "SET datestyle = 'ISO';"
                                       "SET standard_conforming_strings = on;"
                                       "SET client_min_messages = warning;"
                                       "SET jit = off;"
                                       "SET plan_cache_mode = force_generic_plan;"
                                       "SET client_encoding = 'UTF8';"
                                       /* A long text in a row: 16 us instead of pglz's
                                        * 53. Servers without it know no such value. */
                                       "SELECT set_config(name, 'lz4', false) FROM "
                                       "pg_settings WHERE name = "
                                       "'default_toast_compression' AND "
                                       "'lz4' = ANY (enumvals)";

static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

static const char *part_of(const PQconninfoOption *parts, const char *keyword)
{
    for (; parts->keyword != NULL; parts++) {
        if (strcmp(parts->keyword, keyword) == 0 && parts->val != NULL) {
            return parts->val;
        }
    }
    return "";
}

/* A '/' or '@' in a password that is not percent-encoded ends it early: its rest then
 * stands in the port, the host or the database, which error messages quote. */
static const char *fault_of(const PQconninfoOption *parts)
{
    const char *port = part_of(parts, "port");
    if (port[strspn(port, "0123456789,")] != '\0') {
        return "its port is no number";
    }
    if (strchr(part_of(parts, "host"), '@') != NULL) {
        return "its host holds an '@'";
    }
    if (part_of(parts, "user")[0] == '\0' &&
        strchr(part_of(parts, "dbname"), '@') != NULL) {
        return "a '/' stands before its '@'";
    }
    return NULL;
}

bool connection_check_url(const char *database_url, struct error *err)
{
    if (database_url == NULL) {
        return true;
    }
    PQconninfoOption *parts = PQconninfoParse(database_url, NULL);
    const char *fault =
        parts == NULL ? "libpq cannot read it as a connection string" : fault_of(parts);
    PQconninfoFree(parts);
    return fault == NULL ||
           error_set(
               err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
               "%s: use postgresql://USER:PASSWORD@HOST:PORT/DATABASE, in which %%40 "
               "stands for '@', %%2F for '/' and %%25 for '%%'",
               fault);
}

/* ---- waiting ---- */

/* A pipe: readable while it is on. */
struct connection_waker {
    int ends[2];
};

bool connection_waker_new(struct connection_waker **out, struct error *err)
{
    struct connection_waker *w = mem_calloc(1, sizeof *w);
    if (pipe(w->ends) != 0) {
        free(w);
        return error_set_errno(err, ERROR_FATAL, errno, "making a pipe");
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(w->ends[i], F_SETFL, O_NONBLOCK);
        (void)fcntl(w->ends[i], F_SETFD, FD_CLOEXEC);
    }
    *out = w;
    return true;
}

void connection_waker_free(struct connection_waker *w)
{
    if (w != NULL) {
        close(w->ends[0]);
        close(w->ends[1]);
        free(w);
    }
}

void connection_waker_set(struct connection_waker *w, bool is_on)
{
    char bytes[64] = { 0 };
    if (is_on) { /* a full pipe is on as well */
        ssize_t written = write(w->ends[1], bytes, 1);
        (void)written;
        return;
    }
    while (read(w->ends[0], bytes, sizeof bytes) > 0) {
    }
}

/* Whoever waited in vain has no more use for the connection: what it would still say
 * could not be told from the answer to the next question. */
static bool lose(struct connection *c, const char *doing, const char *why,
                 struct error *err)
{
    connection_close(c);
    return error_set(err, ERROR_RETRY, ERROR_FROM_POSTGRES, "08006", "%s: %s", doing,
                     why);
}

/* Waits until the socket is ready for one of `events`, at most until the deadline. */
static bool connection_wait(struct connection *c, short events, int64_t deadline_mono_ms,
                            const char *doing, struct error *err)
{
    struct pollfd fds[2] = { { .fd = PQsocket(c->pg), .events = events } };
    nfds_t count = 1;
    if (c->waker != NULL) {
        fds[count++] = (struct pollfd){ .fd = c->waker->ends[0], .events = POLLIN };
    }
    for (;;) {
        int64_t left = deadline_mono_ms - clock_mono_ms();
        int ready = poll(fds, count, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready < 0) {
            return lose(c, doing, "poll failed", err);
        }
        if (fds[1].revents != 0) {
            return lose(c, doing, "given up", err);
        }
        if (ready == 0) {
            return lose(c, doing, "the server neither takes nor sends anything", err);
        }
        return true;
    }
}

/* The URL comes first in effect: expand_dbname makes its settings override these where it
 * has its own. */
static PGconn *begin_connect(const char *database_url)
{
    const char *const names[] = {
        "keepalives",           "keepalives_idle",  "keepalives_interval",
        "keepalives_count",     "tcp_user_timeout", "fallback_application_name",
        "target_session_attrs", "dbname",           NULL
    };
    const char *const values[] = { "1",          "10",         "5",
                                   "3",          "15000",      "backstitch-loader",
                                   "read-write", database_url, NULL };
    return PQconnectStartParams(names, values, 1);
}

/* libpq says what it waits for; the socket may be another each time. */
static bool wait_connected(struct connection *c, struct error *err)
{
    int64_t deadline = clock_mono_ms() + CONNECTION_OPEN_MS;
    short events = POLLOUT;
    for (;;) {
        if (!connection_wait(c, events, deadline, "connecting to PostgreSQL", err)) {
            return false;
        }
        switch (PQconnectPoll(c->pg)) {
        case PGRES_POLLING_OK:
            return true;
        case PGRES_POLLING_READING:
            events = POLLIN;
            break;
        case PGRES_POLLING_WRITING:
            events = POLLOUT;
            break;
        case PGRES_POLLING_FAILED:
        case PGRES_POLLING_ACTIVE:
        default:
            return connection_failed(c, NULL, "connecting to PostgreSQL", err);
        }
    }
}

bool connection_open(struct connection *c, const char *database_url, struct error *err)
{
    connection_close(c);
    PGconn *opened = begin_connect(database_url);
    c->pg = opened;
    bool done = opened != NULL && PQstatus(opened) != CONNECTION_BAD;
    if (!done) {
        connection_failed(c, NULL, "connecting to PostgreSQL", err);
    }
    done = done && wait_connected(c, err);
    if (done) {
        PQsetNoticeReceiver(opened, ignore_notice, NULL);
        done = PQsetnonblocking(opened, 1) == 0 &&
               connection_run(c, session_settings, "setting up the session", err);
    }
    if (!done) {
        connection_close(c);
    }
    return done;
}

void connection_close(struct connection *c)
{
    if (c->pg != NULL) {
        PQfinish(c->pg);
        c->pg = NULL;
    }
}

/* libpq gives no SQLSTATE for a refused log-in; its text does ("password authentication
 * failed", "does not exist"). */
static const char *code_of_connect_failure(const char *text)
{
    static const struct {
        const char *part, *code;
    } known[] = {
        { "authentication failed", "28P01" },
        { "no pg_hba.conf entry", "28000" },
        { "role \"", "28000" },
        { "database \"", "3D000" },
        { "no password supplied", "28P01" },
        { "too many", "53300" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strstr(text, known[i].part) != NULL) {
            return known[i].code;
        }
    }
    return "08006";
}

bool connection_failed(const struct connection *c, const struct pg_result *result,
                       const char *doing, struct error *err)
{
    const char *text = c->pg == NULL ? "not connected" : PQerrorMessage(c->pg);
    const char *code = NULL;
    if (result != NULL) {
        code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        text = primary == NULL ? text : primary;
    }
    /* Somebody else has just made the same schema, table or type. */
    const char *schema =
        result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SCHEMA_NAME);
    if (code != NULL && schema != NULL && strcmp(code, "23505") == 0 &&
        strcmp(schema, "pg_catalog") == 0) {
        code = "42710";
    }
    if (c->pg == NULL || PQstatus(c->pg) != CONNECTION_OK) {
        code = code != NULL ? code : code_of_connect_failure(text);
    }
    if (code == NULL) {
        code = "08006";
    }
    struct view line = view_trim(view_cstr(text));
    while (line.len > 0 && line.data[line.len - 1] == '\n') {
        line.len--;
    }
    return error_set(err, ERROR_RETRY, ERROR_FROM_POSTGRES, code, "%s: %.*s", doing,
                     VIEW_ARG(line));
}

/* ---- statements ---- */

static int64_t silence_deadline(const struct connection *c)
{
    return clock_mono_ms() + (c->silence_ms > 0 ? c->silence_ms : CONNECTION_SILENCE_MS);
}

/* Sends what libpq holds back. What the server sends meanwhile is taken, or both would
 * wait for each other. */
static bool flush(struct connection *c, const char *doing, struct error *err)
{
    int left;
    while ((left = PQflush(c->pg)) == 1) {
        if (!connection_wait(c, POLLIN | POLLOUT, silence_deadline(c), doing, err)) {
            return false;
        }
        if (PQconsumeInput(c->pg) == 0) {
            break;
        }
    }
    return left == 0 || connection_failed(c, NULL, doing, err);
}

static bool is_connected(const struct connection *c, const char *doing, struct error *err)
{
    return c->pg != NULL || connection_failed(c, NULL, doing, err);
}

bool connection_send(struct connection *c, const char *sql, struct error *err)
{
    const char *doing = "sending a statement";
    return is_connected(c, doing, err) &&
           (PQsendQuery(c->pg, sql) == 1 || connection_failed(c, NULL, doing, err)) &&
           flush(c, doing, err);
}

bool connection_next(struct connection *c, struct pg_result **out, struct error *err)
{
    const char *doing = "waiting for an answer";
    if (!is_connected(c, doing, err)) {
        return false;
    }
    while (PQisBusy(c->pg) != 0) {
        if (!connection_wait(c, POLLIN, silence_deadline(c), doing, err)) {
            return false;
        }
        if (PQconsumeInput(c->pg) == 0) {
            return connection_failed(c, NULL, doing, err);
        }
    }
    *out = PQgetResult(c->pg);
    return true;
}

/* Flushed each time, so that libpq does not gather the whole COPY in memory. */
bool connection_put_copy(struct connection *c, const char *data, size_t len,
                         struct error *err)
{
    const char *doing = "sending rows";
    return is_connected(c, doing, err) &&
           (PQputCopyData(c->pg, data, (int)len) == 1 ||
            connection_failed(c, NULL, doing, err)) &&
           flush(c, doing, err);
}

bool connection_end_copy(struct connection *c, struct error *err)
{
    const char *doing = "ending the rows";
    return is_connected(c, doing, err) &&
           (PQputCopyEnd(c->pg, NULL) == 1 || connection_failed(c, NULL, doing, err)) &&
           flush(c, doing, err);
}

static bool is_fine(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
           status == PGRES_EMPTY_QUERY;
}

/* Takes all results of what was sent: the last one, or the first that is a failure. */
static bool take_results(struct connection *c, const char *doing, PGresult **out,
                         struct error *err)
{
    PGresult *last = NULL;
    PGresult *r = NULL;
    bool is_failed = false;
    bool goes_on = true;
    while ((goes_on = connection_next(c, &r, err)) && r != NULL) {
        if (is_failed) {
            PQclear(r);
            continue;
        }
        PQclear(last);
        last = r;
        is_failed = !is_fine(r);
        if (PQstatus(c->pg) != CONNECTION_OK) {
            break; /* inside of a COPY it would give the same result for ever */
        }
    }
    if (goes_on && (is_failed || last == NULL)) {
        connection_failed(c, last, doing, err);
    }
    bool done = goes_on && !is_failed && last != NULL;
    if (done && out != NULL) {
        *out = last;
    } else {
        PQclear(last);
    }
    return done;
}

bool connection_run(struct connection *c, const char *sql, const char *doing,
                    struct error *err)
{
    if (!connection_send(c, sql, err)) {
        return error_prefix(err, "%s", doing);
    }
    return take_results(c, doing, NULL, err);
}

bool connection_query(struct connection *c, const char *sql, int count,
                      const char *const *values, struct pg_result **out,
                      struct error *err)
{
    const char *doing = "asking PostgreSQL";
    return is_connected(c, doing, err) &&
           (PQsendQueryParams(c->pg, sql, count, NULL, values, NULL, NULL, 0) == 1 ||
            connection_failed(c, NULL, doing, err)) &&
           flush(c, doing, err) && take_results(c, doing, out, err);
}

bool connection_execute(struct connection *c, const char *sql, int count,
                        const char *const *values, struct error *err)
{
    struct pg_result *r = NULL;
    bool done = connection_query(c, sql, count, values, &r, err);
    connection_free(r);
    return done;
}

void connection_free(struct pg_result *result)
{
    PQclear(result);
}

int connection_rows(const struct pg_result *result)
{
    return PQntuples(result);
}

struct view connection_field(const struct pg_result *result, int row, int column)
{
    return view_of(PQgetvalue(result, row, column),
                   (size_t)PQgetlength(result, row, column));
}

bool connection_field_is_null(const struct pg_result *result, int row, int column)
{
    return PQgetisnull(result, row, column) != 0;
}

bool connection_field_is(const struct pg_result *result, const char *name)
{
    return strcmp(PQfname(result, 0), name) == 0;
}

double connection_field_double(const struct pg_result *result, int row, int column)
{
    return strtod(PQgetvalue(result, row, column), NULL);
}

int64_t connection_field_i64(const struct pg_result *result, int row, int column)
{
    int64_t value = 0;
    struct error err;
    bool is_number = parse_i64(connection_field(result, row, column), &value, &err);
    REQUIRE(is_number);
    return value;
}

static void add_quoted(struct buf *sql, struct view text, char quote)
{
    buf_add_char(sql, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == quote) {
            buf_add_char(sql, quote);
        }
        buf_add_char(sql, text.data[i]);
    }
    buf_add_char(sql, quote);
}

void connection_add_name(struct buf *sql, struct view name)
{
    add_quoted(sql, name, '"');
}

void connection_add_literal(struct buf *sql, struct view text)
{
    add_quoted(sql, text, '\'');
}

#include "loader/postgres/connection.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <libpq-fe.h>

#include <stdlib.h>
#include <string.h>

/* What every session of ours has (architecture.md, section 6). search_path is pinned so
 * that no function or table of a user can stand in for one of PostgreSQL's;
 * The isolation is pinned because locks are taken before what they protect is read: a
 * snapshot of the whole transaction would be older than they are.
 * client_min_messages keeps "already exists" notices out of the log. jit is off: large
 * batches (40,000 rows: 176 ms of it) are compiled anew each time. */
static const char session_settings[] = "SET statement_timeout = '30s';"
                                       "SET idle_in_transaction_session_timeout = '15s';"
                                       "SET synchronous_commit = on;"
                                       "SET default_transaction_isolation = "
                                       "'read committed';"
                                       "SET search_path = pg_catalog, pg_temp;"
                                       "SET timezone = 'UTC';"
                                       "SET datestyle = 'ISO';"
                                       "SET standard_conforming_strings = on;"
                                       "SET client_min_messages = warning;"
                                       "SET jit = off;"
                                       "SET client_encoding = 'UTF8'";

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

static PGconn *connect_to(const char *database_url)
{
    /* The URL comes first in effect: expand_dbname makes its settings override these
     * where it has its own. */
    const char *const names[] = { "connect_timeout",
                                  "keepalives",
                                  "keepalives_idle",
                                  "keepalives_interval",
                                  "keepalives_count",
                                  "tcp_user_timeout",
                                  "fallback_application_name",
                                  "target_session_attrs",
                                  "dbname",
                                  NULL };
    const char *const values[] = {
        "5",          "1",          "10", "5", "3", "15000", "backstitch-loader",
        "read-write", database_url, NULL
    };
    return PQconnectdbParams(names, values, 1);
}

bool connection_open(struct connection *c, const char *database_url, struct error *err)
{
    connection_close(c);
    PGconn *opened = connect_to(database_url);
    c->pg = opened;
    if (opened == NULL || PQstatus(opened) != CONNECTION_OK) {
        connection_failed(c, NULL, "connecting to PostgreSQL", err);
        connection_close(c);
        return false;
    }
    PQsetNoticeReceiver(opened, ignore_notice, NULL);
    if (!connection_run(c, session_settings, "setting up the session", err)) {
        connection_close(c);
        return false;
    }
    return true;
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
    const char *text = c->pg == NULL ? "out of memory" : PQerrorMessage(c->pg);
    const char *code = NULL;
    if (result != NULL) {
        code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        text = primary == NULL ? text : primary;
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

static bool is_fine(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
           status == PGRES_EMPTY_QUERY;
}

bool connection_run(struct connection *c, const char *sql, const char *doing,
                    struct error *err)
{
    PGresult *r = PQexec(c->pg, sql);
    bool done = r != NULL && is_fine(r);
    if (!done) {
        connection_failed(c, r, doing, err);
    }
    PQclear(r);
    return done;
}

bool connection_query(struct connection *c, const char *sql, int count,
                      const char *const *values, struct pg_result **out,
                      struct error *err)
{
    PGresult *r = PQexecParams(c->pg, sql, count, NULL, values, NULL, NULL, 0);
    if (r == NULL || !is_fine(r)) {
        connection_failed(c, r, "asking PostgreSQL", err);
        PQclear(r);
        return false;
    }
    *out = r;
    return true;
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

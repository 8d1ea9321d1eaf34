#include "tests/support/load_session.h"

#include "common/base/mem.h"

#include <libpq-fe.h>

#include <stdio.h>
#include <string.h>

static const char staging_sql[] =
    "DROP TABLE IF EXISTS staging_0, staging_1;"
    "CREATE TEMP TABLE staging_0 AS SELECT *, NULL::text AS _backstitch_user,"
    " NULL::timestamptz AS _backstitch_since, NULL::timestamptz AS _backstitch_received"
    " FROM shop.page WITH NO DATA;"
    "CREATE TEMP TABLE staging_1 AS SELECT *, NULL::text AS _backstitch_user,"
    " NULL::timestamptz AS _backstitch_since, NULL::timestamptz AS _backstitch_received"
    " FROM shop.track WITH NO DATA";

static void require_done(bool is_done, const struct error *err)
{
    if (!is_done) {
        fprintf(stderr, "load_session: %s %s\n", err->code, err->text);
    }
    REQUIRE(is_done);
}

void load_session_open(struct load_session *s, const char *url)
{
    struct error err = { .text = "" };
    require_done(connection_open(&s->connection, url, &err), &err);
    load_session_renew_staging(s);
}

void load_session_renew_staging(struct load_session *s)
{
    struct error err = { .text = "" };
    require_done(connection_run(&s->connection, staging_sql, "staging", &err), &err);
}

void load_session_close(struct load_session *s)
{
    connection_close(&s->connection);
}

int load_session_backend(const struct load_session *s)
{
    return PQbackendPID(s->connection.pg);
}

void load_session_begin(struct load_session *s, const struct load_sql *values)
{
    struct buf sql = { 0 };
    load_sql_write(values, &sql);
    s->outcome = (struct load_outcome){ 0 };
    REQUIRE(PQsendQuery(s->connection.pg, buf_cstr(&sql)) == 1);
    buf_release(&sql);
}

static void note_counts(struct load_outcome *o, const PGresult *r)
{
    if (strcmp(PQfname(r, 0), "backstitch_rows_new") != 0) {
        return;
    }
    REQUIRE(o->counted < LOAD_SESSION_TABLES);
    o->counts[o->counted].rows_new = connection_field_i64(r, 0, 0);
    o->counts[o->counted].rows_replaced = connection_field_i64(r, 0, 1);
    o->counts[o->counted++].rows_suppressed = connection_field_i64(r, 0, 2);
}

static void note_result(struct load_outcome *o, const PGresult *r)
{
    if (PQresultStatus(r) == PGRES_TUPLES_OK) {
        note_counts(o, r);
    } else if (PQresultStatus(r) != PGRES_COMMAND_OK) {
        const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        snprintf(o->code, sizeof o->code, "%s", code == NULL ? "?" : code);
    }
}

bool load_session_reach_copy(struct load_session *s)
{
    PGresult *r = NULL;
    while ((r = PQgetResult(s->connection.pg)) != NULL) {
        bool is_copy = PQresultStatus(r) == PGRES_COPY_IN;
        if (!is_copy) {
            note_result(&s->outcome, r);
        }
        PQclear(r);
        if (is_copy) {
            s->outcome.copies++;
            return true;
        }
    }
    return false;
}

void load_session_copy(struct load_session *s, const char *rows)
{
    REQUIRE(PQputCopyData(s->connection.pg, rows, (int)strlen(rows)) == 1);
    REQUIRE(PQputCopyEnd(s->connection.pg, NULL) == 1);
}

void load_session_run(struct load_session *s, const struct load_sql *values,
                      const char *page_rows, const char *track_rows)
{
    const char *const rows[LOAD_SESSION_TABLES] = { page_rows, track_rows };
    load_session_begin(s, values);
    while (load_session_reach_copy(s)) {
        REQUIRE(s->outcome.copies <= LOAD_SESSION_TABLES);
        load_session_copy(s, rows[s->outcome.copies - 1]);
    }
}

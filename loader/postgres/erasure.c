#include "loader/postgres/erasure.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A step's transaction holds locks on so many rows at most. */
#define STEP_ROWS "5000"
#define SILENCE_MS INT64_C(900000)

bool erasure_open(struct connection *c, const char *url, struct error *err)
{
    c->silence_ms = SILENCE_MS;
    return connection_open(c, url, err) &&
           connection_run(c, "SET statement_timeout = '14min'; SET lock_timeout = '5s'",
                          "setting the session up", err);
}

bool erasure_request(struct connection *c, const struct erasure *e, char **out_now,
                     struct error *err)
{
    static const char sql[] =
        "WITH r AS (INSERT INTO backstitch.deletion (message_id, \"schema\", user_id,"
        "               requested_at) SELECT 'erase-' || gen_random_uuid(), $1, $2, now()"
        "            WHERE NOT $3::boolean"
        "              AND NOT EXISTS (SELECT FROM backstitch.deletion"
        "                               WHERE \"schema\" = $1 AND user_id = $2"
        "                                 AND completed_at IS NULL"
        "                                 AND requested_at > now() - interval '1 "
        "minute'))"
        "SELECT now()::text";
    const char *const values[] = { e->schema, e->user, e->is_dry ? "true" : "false" };
    struct pg_result *r = NULL;
    if (!connection_query(c, sql, 3, values, &r, err)) {
        return false;
    }
    *out_now = mem_strdup_view(connection_field(r, 0, 0));
    connection_free(r);
    return true;
}

bool erasure_schemas(struct connection *c, const char *schema, struct pg_result **out,
                     struct error *err)
{
    const char *const values[] = { schema };
    return connection_query(
        c,
        "SELECT \"schema\", now()::text"
        "  FROM backstitch.deletion WHERE completed_at IS NULL"
        "   AND ($1::text IS NULL OR \"schema\" = $1) GROUP BY 1 ORDER BY 1",
        1, values, out, err);
}

/* ---- places ---- */

/* Beside the schema itself: what replays have made of it. Stitch's integer columns too;
 * what does not fit one is in its twin. */
static const char places_sql[] =
    "WITH s AS (SELECT $1 AS name"
    "           UNION SELECT target_schema FROM backstitch.replay"
    "                  WHERE live_schema = $1 AND state <> 'swapped'"
    "           UNION SELECT kept_schema FROM backstitch.replay"
    "                  WHERE live_schema = $1 AND kept_schema IS NOT NULL),"
    "     t AS (SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c"
    "             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN s ON s.name = "
    "n.nspname"
    "            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition),"
    "     a AS (SELECT t.oid, a.attname, a.atttypid::regtype::text AS type FROM t"
    "             JOIN pg_attribute a ON a.attrelid = t.oid"
    "            WHERE a.attnum > 0 AND NOT a.attisdropped)"
    "SELECT t.nspname, t.relname, u.attname,"
    "       coalesce(u.type IN ('bigint', 'integer', 'smallint', 'numeric',"
    "                           'double precision', 'real'), false),"
    "       EXISTS (SELECT FROM a WHERE a.oid = t.oid AND a.attname = '_sdc_sequence'"
    "                  AND a.type IN ('bigint', 'numeric')),"
    "       t.relkind = 'p',"
    "       EXISTS (SELECT FROM a WHERE a.oid = t.oid AND a.attname = 'received_at'"
    "                  AND a.type LIKE 'timestamp%'),"
    "       EXISTS (SELECT FROM a WHERE a.oid = t.oid AND a.attname = 'timestamp'"
    "                  AND a.type LIKE 'timestamp%')"
    "  FROM t LEFT JOIN a u ON u.oid = t.oid AND u.attname IN ('user_id', 'user_id__st')"
    " ORDER BY 1, 2, 3";

static bool is_true(const struct pg_result *r, int row, int column)
{
    return view_equal_cstr(connection_field(r, row, column), "t");
}

static void add_place(struct erasure_places *p, const struct pg_result *r, int row)
{
    p->list[p->count++] = (struct erasure_place){
        .schema = mem_strdup_view(connection_field(r, row, 0)),
        .table = mem_strdup_view(connection_field(r, row, 1)),
        .column = mem_strdup_view(connection_field(r, row, 2)),
        .is_number = is_true(r, row, 3),
        .has_sequence = is_true(r, row, 4),
        .is_partitioned = is_true(r, row, 5),
        .has_received_at = is_true(r, row, 6),
        .has_timestamp = is_true(r, row, 7),
    };
}

bool erasure_find_places(struct connection *c, const char *schema,
                         struct erasure_places *out, struct error *err)
{
    const char *const values[] = { schema };
    struct pg_result *r = NULL;
    *out = (struct erasure_places){ .count = 0 };
    if (!connection_query(c, places_sql, 1, values, &r, err)) {
        return false;
    }
    out->list = mem_calloc((size_t)connection_rows(r), sizeof *out->list);
    for (int i = 0; i < connection_rows(r); i++) {
        if (connection_field_is_null(r, i, 2)) {
            buf_printf(&out->without, "%.*s.%.*s\n", VIEW_ARG(connection_field(r, i, 0)),
                       VIEW_ARG(connection_field(r, i, 1)));
        } else {
            add_place(out, r, i);
        }
    }
    connection_free(r);
    return true;
}

void erasure_places_release(struct erasure_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        free(places->list[i].schema);
        free(places->list[i].table);
        free(places->list[i].column);
    }
    free(places->list);
    buf_release(&places->without);
    *places = (struct erasure_places){ .count = 0 };
}

/* ---- the barrier ---- */

/* Every load holds its schema's lock shared, a replay that of its target; what a swap has
 * kept is loaded no more. Taken and let go at once: who comes later sees the request. */
bool erasure_wait(struct connection *c, const char *schema, struct error *err)
{
    const char *const values[] = { schema };
    return connection_execute(
        c,
        "SELECT pg_advisory_xact_lock(backstitch.schema_lock(), hashtext(name))"
        "  FROM (SELECT $1 AS name"
        "        UNION SELECT target_schema FROM backstitch.replay"
        "               WHERE live_schema = $1 AND target_schema IS NOT NULL"
        "        ORDER BY 1) s",
        1, values, err);
}

/* ---- steps ---- */

static void add_name(struct buf *sql, const char *name)
{
    connection_add_name(sql, view_cstr(name));
}

/* From before the request, by our receipt or by the event's own times, as loads judge it
 * (load_query.c). What is rejected says nothing of its time: all of it. */
static void add_time(struct buf *sql, const struct erasure_place *p)
{
    if (strcmp(p->table, "_sdc_rejected") == 0 || !p->has_sequence) {
        buf_add_cstr(sql, "true");
        return;
    }
    buf_add_cstr(sql, "(t._sdc_sequence IS NULL OR to_timestamp(t._sdc_sequence / "
                      "1000000000.0) < u.at");
    if (p->has_received_at) {
        buf_add_cstr(sql, " OR t.received_at < u.at");
    }
    if (p->has_timestamp) {
        buf_add_cstr(sql, " OR t.\"timestamp\" < u.at");
    }
    buf_add_char(sql, ')');
}

/* $1 schema, $2 until, $3 user. */
#define OPEN_REQUESTS                                                                    \
    " \"schema\" = $1 AND completed_at IS NULL AND requested_at <= $2::timestamptz"      \
    " AND ($3::text IS NULL OR user_id = $3)"

/* Who asks, and when; joined with the table's rows. */
static void add_rows(struct buf *sql, const struct erasure *e,
                     const struct erasure_place *p)
{
    if (e->is_dry && e->user != NULL) {
        buf_add_cstr(sql, "WITH u AS (SELECT $3::text AS user_id, $2::timestamptz AS at"
                          "  WHERE $1::text IS NOT NULL");
    } else {
        buf_add_cstr(sql, "WITH u AS (SELECT user_id, max(requested_at) AS at"
                          " FROM backstitch.deletion WHERE" OPEN_REQUESTS " GROUP BY 1");
    }
    buf_add_cstr(sql, "), r AS (SELECT t.tableoid, t.ctid, u.user_id FROM ");
    add_name(sql, p->schema);
    buf_add_char(sql, '.');
    add_name(sql, p->table);
    buf_add_cstr(sql, " t JOIN u ON ");
    if (p->is_number) {
        buf_add_cstr(sql, "CASE WHEN u.user_id ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?$' THEN"
                          " u.user_id::numeric END = t.");
        add_name(sql, p->column);
        buf_add_cstr(sql, "::numeric");
    } else {
        buf_add_cstr(sql, "u.user_id = t.");
        add_name(sql, p->column);
    }
    buf_add_cstr(sql, " WHERE ");
    add_time(sql, p);
}

static void add_deletion(struct buf *sql, const struct erasure_place *p)
{
    buf_add_cstr(sql, " LIMIT " STEP_ROWS "), d AS (DELETE FROM ");
    add_name(sql, p->schema);
    buf_add_char(sql, '.');
    add_name(sql, p->table);
    buf_add_cstr(
        sql,
        " t USING r WHERE t.ctid = r.ctid AND t.tableoid = r.tableoid"
        " RETURNING r.user_id), n AS (SELECT user_id, count(*) AS rows FROM d GROUP BY "
        "1),"
        " x AS (UPDATE backstitch.deletion q"
        "          SET rows_deleted = coalesce(q.rows_deleted, 0) + n.rows FROM n"
        "        WHERE q.\"schema\" = $1 AND q.user_id = n.user_id"
        "          AND q.message_id = (SELECT min(m.message_id) FROM backstitch.deletion "
        "m"
        "                               WHERE m.\"schema\" = $1 AND m.user_id = n.user_id"
        "                                 AND m.completed_at IS NULL))"
        " SELECT user_id, rows FROM n");
}

bool erasure_step(struct connection *c, const struct erasure *e,
                  const struct erasure_place *place, struct erasure_counts *out,
                  struct error *err)
{
    const char *const values[] = { e->schema, e->until, e->user };
    struct pg_result *r = NULL;
    struct buf sql = { 0 };
    add_rows(&sql, e, place);
    if (e->is_dry) {
        buf_add_cstr(&sql, ") SELECT user_id, count(*) FROM r GROUP BY 1");
    } else {
        add_deletion(&sql, place);
    }
    bool done = connection_query(c, buf_cstr(&sql), 3, values, &r, err);
    buf_release(&sql);
    out->count = done ? (size_t)connection_rows(r) : 0;
    out->list = mem_calloc(out->count, sizeof *out->list);
    for (size_t i = 0; i < out->count; i++) {
        out->list[i].user = mem_strdup_view(connection_field(r, (int)i, 0));
        out->list[i].rows = connection_field_i64(r, (int)i, 1);
    }
    connection_free(r);
    return done;
}

void erasure_counts_release(struct erasure_counts *counts)
{
    for (size_t i = 0; i < counts->count; i++) {
        free(counts->list[i].user);
    }
    free(counts->list);
    *counts = (struct erasure_counts){ .count = 0 };
}

bool erasure_complete(struct connection *c, const struct erasure *e,
                      struct pg_result **out, struct error *err)
{
    const char *const values[] = { e->schema, e->until, e->user };
    return connection_query(
        c,
        "UPDATE backstitch.deletion SET completed_at = now(),"
        "       rows_deleted = coalesce(rows_deleted, 0)"
        " WHERE" OPEN_REQUESTS " RETURNING user_id,"
        " to_char(requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
        " rows_deleted,"
        " to_char(completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        3, values, out, err);
}

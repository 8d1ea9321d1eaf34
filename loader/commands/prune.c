/* prune: the `prune` command: drops what is over its time, a plan first (operations.md,
 * section 5). Rows go a bounded number at a time, so that nobody waits for it; of the
 * events' tables nothing is touched. Rejected events go only when asked for, a schema
 * only by its name. */
#include "loader/commands/commands.h"
#include "loader/commands/report_rows.h"
#include "loader/commands/shared.h"
#include "loader/postgres/replay_runs.h"

#include "common/base/parse.h"
#include "common/service/shutdown.h"

#include <json-c/json.h>

#include <stdio.h>
#include <string.h>

#define STEP_ROWS 10000
#define SECONDS_BYTES 32

struct prune {
    const struct command_call *call;
    const struct prune_flags *flags;
    struct connection connection;
    json_object *pruned; /* {what, rows} or {what, bytes}, in order */
    bool was_stopped;
};

static void note(struct prune *p, struct view what, const char *unit, int64_t amount)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "what",
                           json_object_new_string_len(what.data, (int)what.len));
    json_object_object_add(o, unit, json_object_new_int64(amount));
    json_object_array_add(p->pruned, o);
}

/* Asks for one number. */
static bool ask(struct prune *p, const char *sql, const char *value, int64_t *out,
                struct error *err)
{
    const char *const values[] = { value };
    struct pg_result *r = NULL;
    if (!connection_query(&p->connection, sql, 1, values, &r, err)) {
        return false;
    }
    *out = connection_field_i64(r, 0, 0);
    connection_free(r);
    return true;
}

/* ---- rows ---- */

/* Rows of `table` (as SQL) for which `where` holds; $1: how old they may be, in
 * seconds. */
struct over_time {
    struct view table;
    const char *where;
    uint64_t older_than_ms;
};

static bool delete_in_steps(struct prune *p, const char *sql, const char *seconds,
                            int64_t *out, struct error *err)
{
    int64_t step = 1;
    while (step > 0 && !p->was_stopped) {
        if (!ask(p, sql, seconds, &step, err)) {
            return false;
        }
        *out += step;
        p->was_stopped = shutdown_is_requested();
    }
    return true;
}

static bool prune_rows(struct prune *p, const struct over_time *over, struct error *err)
{
    char seconds[SECONDS_BYTES];
    struct buf sql = { 0 };
    int64_t rows = 0;
    bool done = true;
    snprintf(seconds, sizeof seconds, "%llu",
             (unsigned long long)over->older_than_ms / 1000);
    if (p->was_stopped) {
        return true;
    }
    if (p->flags->execute) {
        /* The condition again: a ctid alone may name a row of another partition, or one
         * that has taken the place meanwhile. */
        buf_printf(&sql,
                   "WITH d AS (DELETE FROM %.*s t WHERE t.ctid = ANY (ARRAY("
                   "SELECT t.ctid FROM %.*s t WHERE %s LIMIT %d)) AND %s RETURNING 1)"
                   " SELECT count(*) FROM d",
                   VIEW_ARG(over->table), VIEW_ARG(over->table), over->where, STEP_ROWS,
                   over->where);
        done = delete_in_steps(p, buf_cstr(&sql), seconds, &rows, err);
    } else {
        buf_printf(&sql, "SELECT count(*) FROM %.*s t WHERE %s", VIEW_ARG(over->table),
                   over->where);
        done = ask(p, buf_cstr(&sql), seconds, &rows, err);
    }
    if (done || rows > 0) {
        note(p, over->table, "rows", rows);
    }
    buf_release(&sql);
    return done;
}

static const char rejected_tables_sql[] =
    "SELECT format('%I._sdc_rejected', \"schema\") FROM backstitch.rejected_schema"
    " ORDER BY 1";

static bool prune_rejected(struct prune *p, struct error *err)
{
    struct pg_result *r = NULL;
    if (p->flags->rejected_ms == 0) {
        return true;
    }
    bool done = connection_query(&p->connection, rejected_tables_sql, 0, NULL, &r, err);
    for (int i = 0; done && i < connection_rows(r); i++) {
        struct over_time over = {
            .table = connection_field(r, i, 0),
            .where = "t._sdc_rejected_at < now() - make_interval(secs => $1::float8)",
            .older_than_ms = p->flags->rejected_ms,
        };
        done = prune_rows(p, &over, err);
    }
    connection_free(r);
    return done;
}

/* What replays have loaded is their accounting, as long as they are known. */
#define STATISTICS_WHERE                                                                 \
    "t.minute < now() - make_interval(secs => $1::float8)"                               \
    " AND t.loader NOT IN (SELECT '" REPLAY_OWNER "' || run FROM backstitch.replay)"

/* A run is kept as long as there is a schema that only it knows of: an erase must reach
 * that too. */
#define REPLAYS_WHERE                                                                    \
    "t.state <> 'running' AND t.kept_schema IS NULL"                                     \
    " AND (t.target_schema IS NULL OR t.state = 'swapped'"                               \
    "      OR to_regnamespace(quote_ident(t.target_schema)) IS NULL)"                    \
    " AND coalesce(t.ended_at, t.planned_at)"                                            \
    "     < now() - make_interval(secs => $1::float8)"

static bool prune_tables(struct prune *p, struct error *err)
{
    const struct over_time statistics = { .table = view_cstr("backstitch.load_stat"),
                                          .where = STATISTICS_WHERE,
                                          .older_than_ms = p->flags->statistics_ms };
    const struct over_time replays = { .table = view_cstr("backstitch.replay"),
                                       .where = REPLAYS_WHERE,
                                       .older_than_ms = p->flags->replays_ms };
    return prune_rows(p, &replays, err) && prune_rows(p, &statistics, err) &&
           prune_rejected(p, err);
}

/* ---- a schema ---- */

static const char schema_sql[] = "SELECT backstitch.may_drop($1)::int";

static const char schema_bytes_sql[] =
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class"
    " WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind = 'r'";

static bool prune_schema(struct prune *p, struct error *err)
{
    const char *schema = p->flags->schema;
    const char *const values[] = { schema };
    int64_t known = 0;
    int64_t bytes = 0;
    if (schema == NULL || p->was_stopped) {
        return true;
    }
    if (!ask(p, schema_sql, schema, &known, err)) {
        return false;
    }
    if (known == 0) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "--schema '%s': there is no such schema that a replay has "
                         "loaded or its swap has kept, and that nobody loads into",
                         schema);
    }
    if (!ask(p, schema_bytes_sql, schema, &bytes, err) ||
        (p->flags->execute &&
         !connection_execute(&p->connection, "SELECT backstitch.drop_schema($1)", 1,
                             values, err))) {
        return false;
    }
    note(p, view_cstr(schema), "bytes", bytes);
    return true;
}

/* ---- the command ---- */

static void print_text(const struct prune *p)
{
    const char *verb = p->flags->execute ? "dropped" : "would be dropped";
    for (size_t i = 0; i < json_object_array_length(p->pruned); i++) {
        json_object *o = json_object_array_get_idx(p->pruned, i);
        const char *what = json_object_get_string(json_object_object_get(o, "what"));
        json_object *bytes = json_object_object_get(o, "bytes");
        char size[32];
        if (bytes != NULL) {
            parse_format_size((uint64_t)json_object_get_int64(bytes), size);
            printf("the schema %s, %s, %s\n", what, size, verb);
        } else {
            printf("%s: %s rows %s\n", what,
                   json_object_get_string(json_object_object_get(o, "rows")), verb);
        }
    }
}

static int report(const struct prune *p, bool done, const struct error *err)
{
    if (p->call->json && done) {
        report_print("pruned", json_object_get(p->pruned));
    } else if (!p->call->json) {
        print_text(p);
    }
    if (!done) {
        return shared_fail(p->call, err);
    }
    if (p->was_stopped) {
        fprintf(stderr, "Stopped; the same command goes on with the rest.\n");
        return EXIT_WORK_LEFT;
    }
    if (!p->flags->execute) {
        fprintf(stderr, "Nothing was changed. To do it: --execute\n");
    }
    return EXIT_DONE;
}

int command_prune(const struct command_call *call)
{
    struct prune p = { .call = call,
                       .flags = call->flags,
                       .pruned = json_object_new_array() };
    struct error err = { .text = "" };
    bool done = shutdown_start(&err) &&
                shared_open_database(call->config, &p.connection, &err) &&
                prune_tables(&p, &err) && prune_schema(&p, &err);
    int code = report(&p, done, &err);
    json_object_put(p.pruned);
    connection_close(&p.connection);
    return code;
}

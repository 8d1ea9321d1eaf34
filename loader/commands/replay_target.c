#include "loader/commands/replay_target.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_no_live_schema(struct connection *c, const char *schema, struct error *err)
{
    const char *const where[] = { schema };
    struct pg_result *r = NULL;
    if (!connection_query(c, "SELECT FROM backstitch.source WHERE \"schema\" = $1", 1,
                          where, &r, err)) {
        return false;
    }
    bool is_so = connection_rows(r) == 0;
    connection_free(r);
    return is_so ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "--target-schema '%s' is a live schema: name a new one", schema);
}

bool replay_target_find(struct connection *c, const char *name, struct replay_run *run,
                        struct error *err)
{
    static const char sql[] =
        "SELECT \"schema\" FROM backstitch.source WHERE \"schema\" = $1 OR source = $1";
    const char *const where[] = { name };
    struct pg_result *r = NULL;
    if (!connection_query(c, sql, 1, where, &r, err)) {
        return false;
    }
    bool is_one = connection_rows(r) == 1;
    if (is_one) {
        run->live_schema = mem_strdup_view(connection_field(r, 0, 0));
    }
    connection_free(r);
    return is_one
               ? is_no_live_schema(c, run->target_schema, err)
               : error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                           "--source '%s': no schema of such a source was loaded", name);
}

bool replay_target_prepare(struct connection *c, const struct replay_run *run,
                           struct error *err)
{
    const char *const values[] = { run->live_schema, run->target_schema };
    return run->has_fresh_types ||
           connection_execute(c, "SELECT backstitch.make_like($1, $2)", 2, values, err);
}

/* ---- comparing ---- */

static const char tables_sql[] =
    "SELECT t.relname, bool_or(t.nspname = $1), bool_or(t.nspname = $2)"
    "  FROM (SELECT c.relname, n.nspname FROM pg_class c"
    "          JOIN pg_namespace n ON n.oid = c.relnamespace"
    "         WHERE n.nspname IN ($1, $2) AND c.relkind IN ('r', 'p')"
    "           AND NOT c.relispartition) t"
    " GROUP BY 1 ORDER BY 1";

static bool count_rows(struct connection *c, const char *schema, struct view table,
                       int64_t *out, struct error *err)
{
    struct buf sql = { 0 };
    struct pg_result *r = NULL;
    buf_add_cstr(&sql, "SELECT count(*) FROM ");
    connection_add_name(&sql, view_cstr(schema));
    buf_add_char(&sql, '.');
    connection_add_name(&sql, table);
    bool done = connection_query(c, buf_cstr(&sql), 0, NULL, &r, err);
    *out = done ? connection_field_i64(r, 0, 0) : 0;
    connection_free(r);
    buf_release(&sql);
    return done;
}

static bool is_there(const struct pg_result *r, int row, int column)
{
    return view_equal_cstr(connection_field(r, row, column), "t");
}

bool replay_target_compare(struct connection *c, const struct replay_run *run, FILE *out,
                           struct error *err)
{
    const char *const values[] = { run->live_schema, run->target_schema };
    struct pg_result *r = NULL;
    if (!connection_query(c, tables_sql, 2, values, &r, err)) {
        return false;
    }
    bool done = true;
    fprintf(out, "%-30s %14s %14s\n", "table", "rows now", "rows then");
    for (int i = 0; done && i < connection_rows(r); i++) {
        struct view table = connection_field(r, i, 0);
        int64_t now = 0;
        int64_t then = 0;
        done =
            (!is_there(r, i, 1) || count_rows(c, run->live_schema, table, &now, err)) &&
            (!is_there(r, i, 2) || count_rows(c, run->target_schema, table, &then, err));
        fprintf(out, "%-30.*s %14lld %14lld\n", VIEW_ARG(table), (long long)now,
                (long long)then);
    }
    connection_free(r);
    return done;
}

/* ---- the swap ---- */

/* A name that says when, and fits. */
static char *name_kept(const struct replay_run *run)
{
    char stamp[CLOCK_STAMP_BYTES];
    char name[SINK_NAME_BYTES];
    clock_format_stamp(clock_real_ms(), stamp);
    snprintf(name, sizeof name, "%.40s_%s", run->live_schema, stamp);
    return mem_strdup(name);
}

bool replay_target_swap(struct connection *c, struct replay_run *run, struct error *err)
{
    struct buf sql = { 0 };
    char *kept = name_kept(run);
    const char *const names[] = { run->run, run->live_schema, run->target_schema, kept };
    buf_add_cstr(&sql, "BEGIN; SET LOCAL lock_timeout = '20s';"
                       " SELECT backstitch.swap_schema(");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        buf_add_cstr(&sql, i == 0 ? "" : ",");
        connection_add_literal(&sql, view_cstr(names[i]));
    }
    buf_add_cstr(&sql, "); COMMIT");
    bool done = connection_run(c, buf_cstr(&sql), "the swap", err);
    buf_release(&sql);
    if (!done) {
        struct error ignored;
        if (!connection_run(c, "ROLLBACK", "rolling back", &ignored)) {
            connection_close(c);
        }
        free(kept);
        return false;
    }
    free(run->kept_schema);
    run->kept_schema = kept;
    return true;
}

#include "loader/postgres/replay_runs.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- planning ---- */

static void add_text(struct buf *sql, const char *text)
{
    connection_add_literal(sql, view_cstr(text));
}

static void add_text_or_null(struct buf *sql, const char *text)
{
    if (text == NULL) {
        buf_add_cstr(sql, "NULL");
    } else {
        add_text(sql, text);
    }
}

static void add_flag(struct buf *sql, bool is_set)
{
    buf_add_cstr(sql, is_set ? ",true" : ",false");
}

static void add_partitions(struct buf *sql, const struct replay_run *run)
{
    buf_add_cstr(sql, "INSERT INTO backstitch.replay_run (run, topic, kafka_partition,"
                      " from_offset, to_offset, next_offset) VALUES ");
    for (size_t i = 0; i < run->partition_count; i++) {
        const struct replay_partition *p = &run->partitions[i];
        buf_add_cstr(sql, i == 0 ? "(" : ",(");
        add_text(sql, run->run);
        buf_add_char(sql, ',');
        add_text(sql, p->topic);
        buf_printf(sql, ",%d,%lld,%lld,%lld)", p->partition, (long long)p->from,
                   (long long)p->to, (long long)p->from);
    }
}

bool replay_runs_add(struct connection *c, const struct replay_run *run,
                     struct error *err)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql,
                 "INSERT INTO backstitch.replay (run, cluster_id, selection,"
                 " live_schema, target_schema, has_fresh_types, is_overwriting, is_retry,"
                 " allows_partial, rate, state)"
                 " VALUES (");
    add_text(&sql, run->run);
    buf_add_char(&sql, ',');
    add_text(&sql, run->cluster_id);
    buf_add_char(&sql, ',');
    add_text(&sql, run->selection);
    buf_add_char(&sql, ',');
    add_text_or_null(&sql, run->live_schema);
    buf_add_char(&sql, ',');
    add_text_or_null(&sql, run->target_schema);
    add_flag(&sql, run->has_fresh_types);
    add_flag(&sql, run->is_overwriting);
    add_flag(&sql, run->is_retry);
    add_flag(&sql, run->allows_partial);
    buf_printf(&sql, ",%llu,'planned');\n", (unsigned long long)run->rate);
    add_partitions(&sql, run);
    bool done = connection_run(c, buf_cstr(&sql), "writing the plan", err);
    buf_release(&sql);
    return done;
}

/* ---- looking ---- */

static const char run_sql[] =
    "SELECT cluster_id, selection, target_schema, is_overwriting, allows_partial, rate,"
    "       state, kept_schema, live_schema, has_fresh_types, is_retry"
    "  FROM backstitch.replay WHERE run = $1";

static const char partitions_sql[] =
    "SELECT topic, kafka_partition, from_offset, to_offset, next_offset, records,"
    "       skipped, deletions, lost"
    "  FROM backstitch.replay_run WHERE run = $1 ORDER BY topic, kafka_partition";

static const char counts_sql[] =
    "SELECT coalesce(sum(rows_new), 0)::bigint,"
    "       coalesce(sum(rows_replaced), 0)::bigint,"
    "       coalesce(sum(rows_duplicate), 0)::bigint,"
    "       coalesce(sum(rows_rejected), 0)::bigint,"
    "       coalesce(sum(rows_suppressed_deletion + rows_suppressed_integrations), 0)"
    "           ::bigint"
    "  FROM backstitch.load_stat WHERE loader = '" REPLAY_OWNER "' || $1";

static char *copy_field(const struct pg_result *r, int column)
{
    return connection_field_is_null(r, 0, column)
               ? NULL
               : mem_strdup_view(connection_field(r, 0, column));
}

static bool is_true(const struct pg_result *r, int column)
{
    return view_equal_cstr(connection_field(r, 0, column), "t");
}

static bool read_partitions(struct connection *c, struct replay_run *run,
                            struct error *err)
{
    const char *const where[] = { run->run };
    struct pg_result *r = NULL;
    if (!connection_query(c, partitions_sql, 1, where, &r, err)) {
        return false;
    }
    free(run->partitions);
    run->partition_count = (size_t)connection_rows(r);
    run->partitions = mem_calloc(run->partition_count, sizeof *run->partitions);
    for (int i = 0; i < connection_rows(r); i++) {
        struct replay_partition *p = &run->partitions[i];
        snprintf(p->topic, sizeof p->topic, "%.*s", VIEW_ARG(connection_field(r, i, 0)));
        p->partition = (int32_t)connection_field_i64(r, i, 1);
        p->from = connection_field_i64(r, i, 2);
        p->to = connection_field_i64(r, i, 3);
        p->next = connection_field_i64(r, i, 4);
        p->records = connection_field_i64(r, i, 5);
        p->skipped = connection_field_i64(r, i, 6);
        p->deletions = connection_field_i64(r, i, 7);
        p->lost = connection_field_i64(r, i, 8);
    }
    connection_free(r);
    return true;
}

bool replay_runs_read(struct connection *c, const char *name, struct replay_run *out,
                      struct error *err)
{
    const char *const where[] = { name };
    struct pg_result *r = NULL;
    *out = (struct replay_run){ .rate = 0 };
    if (!connection_query(c, run_sql, 1, where, &r, err)) {
        return false;
    }
    if (connection_rows(r) == 0) {
        connection_free(r);
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "there is no run '%s'; backstitch-loader replay --list shows "
                         "those that there are",
                         name);
    }
    snprintf(out->run, sizeof out->run, "%s", name);
    out->cluster_id = copy_field(r, 0);
    out->selection = copy_field(r, 1);
    out->target_schema = copy_field(r, 2);
    out->is_overwriting = is_true(r, 3);
    out->allows_partial = is_true(r, 4);
    out->rate = (uint64_t)connection_field_i64(r, 0, 5);
    snprintf(out->state, sizeof out->state, "%.*s", VIEW_ARG(connection_field(r, 0, 6)));
    out->kept_schema = copy_field(r, 7);
    out->live_schema = copy_field(r, 8);
    out->has_fresh_types = is_true(r, 9);
    out->is_retry = is_true(r, 10);
    connection_free(r);
    if (read_partitions(c, out, err)) {
        return true;
    }
    replay_run_release(out);
    return false;
}

void replay_run_release(struct replay_run *run)
{
    free(run->cluster_id);
    free(run->selection);
    free(run->live_schema);
    free(run->target_schema);
    free(run->kept_schema);
    free(run->partitions);
    *run = (struct replay_run){ .rate = 0 };
}

bool replay_runs_refresh(struct connection *c, struct replay_run *run,
                         struct replay_counts *out, struct error *err)
{
    const char *const where[] = { run->run };
    struct pg_result *r = NULL;
    if (!read_partitions(c, run, err) ||
        !connection_query(c, counts_sql, 1, where, &r, err)) {
        return false;
    }
    *out = (struct replay_counts){ .rows_new = connection_field_i64(r, 0, 0),
                                   .rows_replaced = connection_field_i64(r, 0, 1),
                                   .rows_present = connection_field_i64(r, 0, 2),
                                   .rejected = connection_field_i64(r, 0, 3),
                                   .suppressed = connection_field_i64(r, 0, 4) };
    connection_free(r);
    return true;
}

/* ---- state ---- */

bool replay_runs_begin(struct connection *c, const struct replay_run *run,
                       struct error *err)
{
    const char *const values[] = { run->run, run->allows_partial ? "true" : "false" };
    return connection_execute(c,
                              "UPDATE backstitch.replay SET state = 'running',"
                              " allows_partial = $2::boolean WHERE run = $1",
                              2, values, err);
}

bool replay_runs_end(struct connection *c, const struct replay_run *run,
                     struct error *err)
{
    const char *const values[] = { run->run };
    return connection_execute(
        c,
        "WITH p AS (UPDATE backstitch.replay_run SET next_offset = to_offset"
        "            WHERE run = $1)"
        "UPDATE backstitch.replay SET state = 'done', ended_at = now()"
        " WHERE run = $1",
        1, values, err);
}

bool replay_runs_is_live_busy(struct connection *c, bool *out, struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c,
                          "SELECT EXISTS (SELECT FROM backstitch.load_stat"
                          " WHERE minute >= now() - interval '2 minutes'"
                          "   AND loader NOT LIKE '" REPLAY_OWNER "%')",
                          0, NULL, &r, err)) {
        return false;
    }
    *out = is_true(r, 0);
    connection_free(r);
    return true;
}

/* ---- the accounting ---- */

struct replay_partition replay_run_sum(const struct replay_run *run)
{
    struct replay_partition sum = { .partition = -1 };
    for (size_t i = 0; i < run->partition_count; i++) {
        const struct replay_partition *p = &run->partitions[i];
        sum.from += p->from;
        sum.to += p->to;
        sum.next += p->next;
        sum.records += p->records;
        sum.skipped += p->skipped;
        sum.deletions += p->deletions;
        sum.lost += p->lost;
    }
    return sum;
}

bool replay_run_adds_up(const struct replay_run *run, const struct replay_counts *counts)
{
    struct replay_partition sum = replay_run_sum(run);
    return sum.records - sum.skipped == counts->rows_new + counts->rows_replaced +
                                            counts->rows_present + counts->rejected +
                                            counts->suppressed + sum.deletions;
}

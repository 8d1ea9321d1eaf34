/* The same sequences through PostgreSQL: what the database in memory commits, a real one
 * must commit too, by the frozen statements, and then hold the same; what it refuses of
 * itself (a position that is another's, a table that has changed) must be refused there
 * with the same code. Faults that are drawn do not reach it. */
#include "tests/simulation/sim_mirror.h"

#include "loader/postgres/connection.h"
#include "loader/postgres/postgres_sink.h"

#include "tests/support/postgres_server.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_mirror {
    char url[320];
    struct sink sink;
    struct connection eye; /* looks, and plays the human */
};

static const char *const table_names[SIM_TABLES] = { "track", "page" };

struct sim_mirror *sim_mirror_open(void)
{
    static const char *const nobody[] = { NULL };
    struct sim_mirror *m = mem_calloc(1, sizeof *m);
    struct error err;
    snprintf(m->url, sizeof m->url, "%s", postgres_server_new_database());
    const struct postgres_sink_setup setup = { .database_url = m->url,
                                               .group = "g",
                                               .owner = "simulation",
                                               .new_columns_per_hour = 1000,
                                               .grant_select = nobody };
    REQUIRE(postgres_sink_open(&setup, &m->sink, &err));
    REQUIRE(m->sink.connect(m->sink.context, &err));
    REQUIRE(connection_open(&m->eye, m->url, &err));
    return m;
}

void sim_mirror_close(struct sim_mirror *m)
{
    if (m != NULL) {
        postgres_sink_close(&m->sink);
        connection_close(&m->eye);
        free(m);
    }
}

/* ---- what is there, a line each ---- */

#define LINES (SIM_LOGS + SIM_HELD + SIM_USERS + 2 * SIM_TABLES * SIM_EVENTS + 1)

struct lines {
    char of[LINES][100];
    size_t count;
};

static char *next_line(struct lines *l)
{
    REQUIRE(l->count < LINES);
    return l->of[l->count++];
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void describe_tables(const struct sim_database *d, struct lines *out)
{
    for (int i = 0; i < SIM_TABLES; i++) {
        for (int j = 0; j < SIM_EVENTS; j++) {
            if (d->rows[i][j] != 0) {
                snprintf(next_line(out), 100, "row %s e%d %lld", table_names[i], j,
                         (long long)d->rows[i][j]);
            }
            if (d->rejected[i][j]) {
                snprintf(next_line(out), 100, "rejected %s e%d", table_names[i], j);
            }
        }
    }
}

static void describe_memory(const struct sim_world *w, struct lines *out)
{
    const struct sim_database *d = &w->database;
    out->count = 0;
    for (int i = 0; i < SIM_LOGS; i++) {
        if (d->position[i] != -1) {
            snprintf(next_line(out), 100, "position %s %d %lld", w->logs[i].topic,
                     w->logs[i].partition, (long long)d->position[i]);
        }
    }
    for (size_t i = 0; i < d->held_count; i++) {
        const struct sink_range *r = &d->held[i];
        snprintf(next_line(out), 100, "held %.20s %.20s %d %lld %lld", r->table, r->topic,
                 r->partition, (long long)r->from, (long long)r->to);
    }
    for (int i = 0; i < SIM_USERS; i++) {
        if (d->asked_at_us[i] != 0) {
            snprintf(next_line(out), 100, "request u%d %lld", i,
                     (long long)d->asked_at_us[i]);
        }
    }
    describe_tables(d, out);
    qsort(out->of, out->count, sizeof out->of[0], compare_lines);
}

/* A table that is not there yet is asked for by nobody. */
static void add_table_query(const struct sim_world *w, int number, struct buf *sql)
{
    if (w->database.tables[number] != NULL) {
        buf_printf(sql,
                   " UNION ALL SELECT 'row %s ' || message_id || ' ' || _sdc_sequence "
                   "FROM " SIM_SCHEMA ".%s",
                   table_names[number], table_names[number]);
    }
}

static struct pg_result *ask(struct sim_mirror *m, const char *sql)
{
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(&m->eye, sql, 0, NULL, &r, &err)) {
        mem_panic(__FILE__, __LINE__, err.text);
    }
    return r;
}

/* By where the event was read: one that is no JSON has an id of its bytes. */
static void describe_rejected(struct sim_world *w, struct lines *out)
{
    bool is_there[SIM_TABLES][SIM_EVENTS] = { { false } };
    char topic[TOPIC_NAME_BYTES];
    struct pg_result *r =
        ask(w->mirror, "SELECT table_name, kafka_partition, kafka_offset, topic "
                       "FROM " SIM_SCHEMA "._sdc_rejected");
    for (int i = 0; i < connection_rows(r); i++) {
        snprintf(topic, sizeof topic, "%.*s", VIEW_ARG(connection_field(r, i, 3)));
        int32_t partition = (int32_t)connection_field_i64(r, i, 1);
        const struct sim_record *of = sim_record_at(w, sim_log_of(w, topic, partition),
                                                    connection_field_i64(r, i, 2));
        int number = sim_table_of(connection_field(r, i, 0));
        REQUIRE(of != NULL && number >= 0);
        if (!is_there[number][of->event]) {
            is_there[number][of->event] = true;
            snprintf(next_line(out), 100, "rejected %s e%d", table_names[number],
                     of->event);
        }
    }
    connection_free(r);
}

static void describe_postgres(struct sim_world *w, struct lines *out)
{
    struct buf sql;
    buf_init(&sql, 0);
    buf_add_cstr(
        &sql,
        "SELECT 'position ' || topic || ' ' || kafka_partition || ' ' || next_offset "
        "FROM backstitch.load_offset "
        "UNION ALL SELECT 'held ' || \"table\" || ' ' || topic || ' ' || kafka_partition "
        "|| ' ' || from_offset || ' ' || to_offset FROM backstitch.held "
        "UNION ALL SELECT 'request ' || user_id || ' ' || "
        "(extract(epoch FROM max(requested_at)) * 1000000)::bigint "
        "FROM backstitch.deletion GROUP BY user_id");
    for (int i = 0; i < SIM_TABLES; i++) {
        add_table_query(w, i, &sql);
    }
    struct pg_result *r = ask(w->mirror, buf_cstr(&sql));
    out->count = 0;
    for (int i = 0; i < connection_rows(r); i++) {
        snprintf(next_line(out), 100, "%.*s", VIEW_ARG(connection_field(r, i, 0)));
    }
    connection_free(r);
    buf_release(&sql);
    if (w->rejections > 0) {
        describe_rejected(w, out);
    }
    qsort(out->of, out->count, sizeof out->of[0], compare_lines);
}

static void compare(struct sim_world *w)
{
    static struct lines memory;
    static struct lines postgres;
    describe_memory(w, &memory);
    describe_postgres(w, &postgres);
    for (size_t i = 0; i < memory.count || i < postgres.count; i++) {
        const char *here = i < memory.count ? memory.of[i] : "nothing";
        const char *there = i < postgres.count ? postgres.of[i] : "nothing";
        if (strcmp(here, there) != 0) {
            sim_violated(w, "in memory is '%s', in PostgreSQL '%s'", here, there);
            return;
        }
    }
}

/* Both have done it, or both have refused it for the same reason. */
static void judge(struct sim_world *w, const char *what, bool is_done,
                  const struct error *err, const char *expected_code)
{
    const char *code = is_done ? "" : err->code;
    if (strcmp(code, expected_code) != 0) {
        sim_violated(w, "%s: '%s' in memory, in PostgreSQL '%s' (%s)", what,
                     expected_code, code, is_done ? "done" : err->text);
    } else if (is_done) {
        compare(w);
    }
}

/* ---- what happens ---- */

static struct table *read_again(struct sim_mirror *m, int number)
{
    struct table *t = NULL;
    struct error err;
    REQUIRE(m->sink.read_table(m->sink.context, view_cstr(SIM_SCHEMA),
                               view_cstr(table_names[number]), &t, &err));
    return t;
}

struct table *sim_mirror_extend(struct sim_mirror *m, const struct table_plan *plan)
{
    struct table *t = NULL;
    struct error err;
    if (!m->sink.extend(m->sink.context, plan, &t, &err)) {
        mem_panic(__FILE__, __LINE__, err.text);
    }
    return t;
}

struct table *sim_mirror_alter(struct sim_mirror *m, int number, struct view column)
{
    char sql[200];
    struct error err;
    snprintf(sql, sizeof sql, "ALTER TABLE " SIM_SCHEMA ".%s ADD COLUMN %.*s text",
             table_names[number], VIEW_ARG(column));
    REQUIRE(connection_run(&m->eye, sql, "altering", &err));
    return read_again(m, number);
}

void sim_mirror_move(struct sim_world *w, const char *cluster_id,
                     const struct sink_move *moves, size_t count,
                     const char *expected_code)
{
    struct error err;
    if (w->mirror != NULL) {
        const struct sink *sink = &w->mirror->sink;
        bool is_done =
            sink->move_positions(sink->context, cluster_id, moves, count, &err);
        judge(w, "a move", is_done, &err, expected_code);
    }
}

/* Every row is one of what the database counts. */
static void check_counts(struct sim_world *w, const struct sink_load *load,
                         const struct load_counts *counts)
{
    for (size_t i = 0; i < load->table_count; i++) {
        const struct load_counts *c = &counts[i];
        uint64_t sum =
            c->rows_new + c->rows_replaced + c->rows_duplicate + c->rows_suppressed;
        if (sum != load->tables[i].row_count) {
            sim_violated(w, "%zu rows were loaded, and PostgreSQL counts %llu",
                         load->tables[i].row_count, (unsigned long long)sum);
        }
    }
}

void sim_mirror_load(struct sim_world *w, const char *cluster_id,
                     const struct sink_load *load, const char *expected_code)
{
    struct load_counts counts[SIM_TABLES] = { { 0 } };
    size_t failed_table = SINK_NO_TABLE;
    struct error err;
    if (w->mirror == NULL) {
        return;
    }
    REQUIRE(load->table_count <= SIM_TABLES);
    const struct sink *sink = &w->mirror->sink;
    bool is_done =
        sink->load(sink->context, cluster_id, load, counts, &failed_table, &err);
    judge(w, "a load", is_done, &err, expected_code);
    if (is_done) {
        check_counts(w, load, counts);
    }
}

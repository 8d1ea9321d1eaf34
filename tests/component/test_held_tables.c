/* No table holds another: whatever is wrong with one, its records wait, everything else
 * is loaded, nothing is rejected, and the table loads by itself when it is mended. The
 * pipeline over a real PostgreSQL, driven step by step: only the clock is the test's, so
 * that a held table's minute passes at once. */
#include "loader/load/pipeline.h"
#include "loader/postgres/connection.h"
#include "loader/postgres/postgres_sink.h"

#include "tests/support/contains.h"
#include "tests/support/postgres_server.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define EVENTS 10 /* of each topic in a batch, at the next offsets */
#define STEPS_MAX 400

static const char cluster[] = "c1";
static const char *const no_names[] = { NULL };

struct fixture {
    char url[320];
    struct connection eye;  /* looks at the result, and plays the human */
    struct sink sink, real; /* `sink` is `real` with the test's clock, and counts */
    struct loader_metrics *metrics;
    struct pipeline *pipeline;
    struct batch_context context;
    unsigned transactions; /* of loading and of trying */
    int64_t next[EVENT_TYPES];
};

/* ---- the clock, and counting ---- */

static int64_t now_ms;
static struct fixture *counted;

static int64_t test_mono_ms(void *context)
{
    (void)context;
    return now_ms;
}

static bool counted_load(void *context, const char *cluster_id,
                         const struct sink_load *load, struct load_counts *counts,
                         size_t *failed_table, struct error *err)
{
    counted->transactions++;
    return counted->real.load(context, cluster_id, load, counts, failed_table, err);
}

static bool counted_try(void *context, const struct sink_rows *rows,
                        struct sink_trial *out, struct error *err)
{
    counted->transactions++;
    return counted->real.try_rows(context, rows, out, err);
}

/* ---- set-up ---- */

static void open_pipeline(struct fixture *f, const char *url)
{
    struct postgres_sink_setup setup = {
        .database_url = url, .group = "g", .owner = "a", .new_columns_per_hour = 100
    };
    struct error err;
    assert_true(postgres_sink_open(&setup, &f->real, &err));
    f->sink = f->real;
    f->sink.mono_ms = test_mono_ms;
    f->sink.load = counted_load;
    f->sink.try_rows = counted_try;
    struct pipeline_setup pipeline = { .sink = &f->sink,
                                       .metrics = f->metrics,
                                       .backoff_first_ms = 1,
                                       .backoff_max_ms = 1,
                                       .seed = 1 };
    f->pipeline = pipeline_new(&pipeline);
}

static void close_pipeline(struct fixture *f)
{
    pipeline_free(f->pipeline);
    postgres_sink_close(&f->real);
}

static int set_up(void **state)
{
    struct mapping_options options = { .ignore_paths = no_names,
                                       .integration_names = no_names };
    struct fixture *f = mem_calloc(1, sizeof *f);
    struct error err;
    snprintf(f->url, sizeof f->url, "%s", postgres_server_new_database());
    assert_true(connection_open(&f->eye, f->url, &err));
    f->metrics = loader_metrics_new();
    f->context = (struct batch_context){ .catalogue = catalogue_new(),
                                         .mapper = mapper_new(&options),
                                         .max_columns = 800 };
    counted = f;
    open_pipeline(f, f->url);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close_pipeline(f);
    connection_close(&f->eye);
    mapper_free(f->context.mapper);
    catalogue_free(f->context.catalogue);
    loader_metrics_free(f->metrics);
    free(f);
    return 0;
}

/* ---- SQL ---- */

static void run(struct fixture *f, const char *sql)
{
    struct error err;
    if (!connection_run(&f->eye, sql, "test", &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
}

/* The first field of the first row; valid until the next call. */
static const char *ask(struct fixture *f, const char *sql)
{
    static char answer[4096];
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(&f->eye, sql, 0, NULL, &r, &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
    snprintf(answer, sizeof answer, "%s", "(no row)");
    if (connection_rows(r) > 0) {
        struct view v = connection_field(r, 0, 0);
        snprintf(answer, sizeof answer, "%.*s", VIEW_ARG(v));
    }
    connection_free(r);
    return answer;
}

#define assert_sql(f, expected, sql) assert_string_equal(ask(f, sql), expected)

/* ---- events, batches, tasks ---- */

static void release_message(void *context, void *message)
{
    (void)context;
    free(message);
}

static const struct log_release releases = { NULL, release_message };

static const char *topic_of(enum event_type type)
{
    static char names[EVENT_TYPES][32];
    snprintf(names[type], sizeof names[type], "segment.%s", event_type_name(type));
    return names[type];
}

/* `rest`: further members, with their comma. */
static struct log_record event_at(enum event_type type, int64_t offset, const char *rest)
{
    size_t size = strlen(rest) + 200;
    char *value = mem_alloc(size);
    int len =
        snprintf(value, size, "{\"type\":\"%s\",\"messageId\":\"%s-%lld\"%s}",
                 event_type_name(type), event_type_name(type), (long long)offset, rest);
    struct log_record r = {
        .record = { .topic = type,
                    .value = view_of(value, (size_t)len),
                    .source = VIEW_LITERAL("shop"),
                    .schema = VIEW_LITERAL("shop"),
                    .received_at_ms = 1764842400000,
                    .seq = (uint32_t)offset,
                    .via = VIA_WEBHOOK,
                    .auth = AUTH_TOKEN },
        .topic = topic_of(type),
        .offset = offset,
        .headers_are_valid = true,
        .message = value,
    };
    return r;
}

static void add(struct fixture *f, struct batch *b, enum event_type type,
                const char *rest)
{
    int64_t offset = f->next[type]++;
    struct log_record r = event_at(type, offset, rest);
    if (offset == 0) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "INSERT INTO backstitch.load_offset VALUES ('g','c1','%s',0,0,'x')",
                 topic_of(type));
        run(f, sql);
    }
    batch_add(b, &f->context, &r, offset, 0);
}

static struct batch *events_of(struct fixture *f, enum event_type type)
{
    struct batch *b = batch_new();
    for (int i = 0; i < EVENTS; i++) {
        add(f, b, type, ",\"userId\":\"7\",\"properties\":{\"n\":1}");
        add(f, b, EVENT_PAGE, ",\"userId\":\"7\"");
    }
    return b;
}

/* Waits pass on the test's clock, and a moment on the real one, for what takes real time
 * (locks). */
static struct task_result drive(struct fixture *f, const struct task *task)
{
    uint64_t wait_ms = 0;
    enum pipeline_step step;
    unsigned steps = 0;
    pipeline_begin(f->pipeline, task);
    while ((step = pipeline_step(f->pipeline, &wait_ms)) != PIPELINE_ENDED) {
        if (step == PIPELINE_WAITS) {
            struct timespec moment = { 0, 1000000 };
            nanosleep(&moment, NULL);
            now_ms += (int64_t)wait_ms;
        }
        if (++steps == STEPS_MAX) {
            fail_msg("a task did not end in %d steps", STEPS_MAX);
        }
    }
    return pipeline_take_result(f->pipeline);
}

static enum task_outcome load(struct fixture *f, struct batch *b)
{
    struct task task = { .kind = TASK_LOAD, .cluster_id = cluster, .batch = b };
    struct task_result r;
    unsigned mappings = 0;
    while ((r = drive(f, &task)).outcome == TASK_MAP_AGAIN) {
        assert_true(++mappings < 10);
        for (size_t i = 0; i < r.table_count; i++) {
            catalogue_put(f->context.catalogue, r.tables[i]);
        }
        task_result_release(&r);
        batch_map(b, &f->context);
    }
    enum task_outcome outcome = r.outcome;
    for (size_t i = 0; i < r.table_count; i++) {
        catalogue_put(f->context.catalogue, r.tables[i]);
    }
    task_result_release(&r);
    batch_free(b, &releases);
    return outcome;
}

static void connect_first(struct fixture *f)
{
    struct sink_position none = { .topic = "t" };
    struct task task = { .kind = TASK_READ_POSITIONS,
                         .cluster_id = cluster,
                         .positions = &none,
                         .position_count = 1 };
    struct task_result r = drive(f, &task);
    assert_int_equal(r.outcome, TASK_DONE);
    task_result_release(&r);
}

static void look_at_held(struct fixture *f)
{
    struct task task = { .kind = TASK_LOOK, .cluster_id = cluster };
    struct task_result r = drive(f, &task);
    assert_int_equal(r.outcome, TASK_DONE);
    task_result_release(&r);
}

/* ---- what every case must lead to ---- */

static void assert_waits(struct fixture *f, const char *table, const char *expected)
{
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT string_agg(concat_ws(' ', topic, from_offset, to_offset), ',')"
             " FROM backstitch.held WHERE \"table\" = '%s'",
             table);
    assert_sql(f, expected, sql);
}

/* Reads the held range of a table again, as held_reader does, and loads it. */
static enum task_outcome load_slice(struct fixture *f, enum event_type type)
{
    struct sink_range *ranges = NULL;
    size_t count = 0;
    struct error err;
    assert_true(f->real.read_held(f->real.context, cluster, &ranges, &count, &err));
    assert_int_equal(count, 1);
    struct batch *slice = batch_new_slice(&ranges[0]);
    for (int64_t at = ranges[0].from; at < ranges[0].to; at++) {
        struct log_record r =
            event_at(type, at, ",\"userId\":\"7\",\"properties\":{\"n\":1}");
        batch_add(slice, &f->context, &r, 0, 0);
    }
    batch_reach(slice, ranges[0].to);
    free(ranges);
    return load(f, slice);
}

/* What is `broken` with shop.<table>, and what mends it. */
struct fault {
    const char *broken, *mended;
    const char *reason; /* a part of it */
    bool is_seen_only_when_tried;
};

static void count_rows(struct fixture *f, const char *table, const char *expected)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM shop.\"%s\"", table);
    assert_sql(f, expected, sql);
}

static void check_fault(struct fixture *f, enum event_type type,
                        const struct fault *fault)
{
    const char *table = event_type_name(type);
    char range[100];
    connect_first(f);
    run(f, fault->broken);
    assert_int_equal(load(f, events_of(f, type)), TASK_DONE);
    count_rows(f, "page", "10");
    snprintf(range, sizeof range, "%s 0 10", topic_of(type));
    assert_waits(f, table, range);
    assert_contains(ask(f, "SELECT reason FROM backstitch.held"), fault->reason);
    assert_sql(f, "20", "SELECT sum(next_offset) FROM backstitch.load_offset");
    /* A second batch does not even try; the range grows. */
    unsigned before = f->transactions;
    assert_int_equal(load(f, events_of(f, type)), TASK_DONE);
    assert_int_equal(f->transactions, before + 1);
    count_rows(f, "page", "20");
    snprintf(range, sizeof range, "%s 0 20", topic_of(type));
    assert_waits(f, table, range);
    look_at_held(f);
    assert_int_equal(load_slice(f, type), TASK_HELD);
    assert_waits(f, table, range);
    /* Mended, it loads by itself: at once when that shows, else within the minute. */
    run(f, fault->mended);
    now_ms += fault->is_seen_only_when_tried ? 60000 : 5000;
    look_at_held(f);
    assert_int_equal(load(f, events_of(f, type)), TASK_DONE);
    count_rows(f, table, "10"); /* the new ones */
    assert_waits(f, table, range);
    assert_int_equal(load_slice(f, type), TASK_DONE);
    count_rows(f, table, "30");
    assert_waits(f, table, "");
    assert_sql(f, "0", "SELECT count(*) FROM shop._sdc_rejected");
}

static void test_a_view_under_the_tables_name(void **state)
{
    static const struct fault fault = {
        "CREATE SCHEMA shop; CREATE VIEW shop.track AS SELECT 1 AS message_id",
        "DROP VIEW shop.track", "is no table", false
    };
    check_fault(*state, EVENT_TRACK, &fault);
}

static void test_an_unrelated_table_gets_no_column(void **state)
{
    struct fixture *f = *state;
    static const struct fault fault = {
        "CREATE SCHEMA shop; CREATE TABLE shop.\"group\" (id int PRIMARY KEY, name text)",
        "ALTER TABLE shop.\"group\" RENAME TO groups", "message_id", false
    };
    check_fault(f, EVENT_GROUP, &fault);
    assert_sql(f, "id,name",
               "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
               " WHERE attrelid = 'shop.groups'::regclass AND attnum > 0");
}

static void test_a_table_without_its_key(void **state)
{
    struct fixture *f = *state;
    static const struct fault fault = {
        "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id text, a int)",
        "CREATE UNIQUE INDEX ON shop.track (message_id)", "no unique key", false
    };
    check_fault(f, EVENT_TRACK, &fault);
}

static void test_a_message_id_of_a_type_that_takes_no_text(void **state)
{
    static const struct fault fault = {
        "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id uuid PRIMARY KEY)",
        "ALTER TABLE shop.track ALTER message_id TYPE text", "message_id", false
    };
    check_fault(*state, EVENT_TRACK, &fault);
}

/* Its failure (42P01) looks like a table that has just changed. */
static void test_a_trigger_whose_function_does_not_find_its_table(void **state)
{
    static const struct fault fault = {
        "CREATE SCHEMA shop;"
        "CREATE TABLE shop.track (message_id text COLLATE \"C\" PRIMARY KEY);"
        "CREATE FUNCTION shop.audit() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO audit_log VALUES (1); RETURN NEW; END';"
        "CREATE TRIGGER audit AFTER INSERT ON shop.track FOR EACH ROW EXECUTE FUNCTION "
        "shop.audit()",
        "CREATE OR REPLACE FUNCTION shop.audit() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RETURN NEW; END'",
        "audit_log", true
    };
    check_fault(*state, EVENT_TRACK, &fault);
}

/* Whatever an event holds is refused: it is the table. */
static void test_a_constraint_that_takes_no_row(void **state)
{
    static const struct fault fault = {
        "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id text PRIMARY KEY,"
        " region text NOT NULL)",
        "ALTER TABLE shop.track ALTER region DROP NOT NULL", "region", true
    };
    check_fault(*state, EVENT_TRACK, &fault);
}

/* An error of a code that nobody has listed. */
static void test_a_code_that_is_not_listed(void **state)
{
    static const struct fault fault = {
        "CREATE SCHEMA shop;"
        "CREATE TABLE shop.track (message_id text COLLATE \"C\" PRIMARY KEY);"
        "CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''closed'' USING ERRCODE = ''ZZ123''; END';"
        "CREATE TRIGGER refuse BEFORE INSERT ON shop.track FOR EACH ROW EXECUTE FUNCTION "
        "shop.refuse()",
        "DROP TRIGGER refuse ON shop.track", "closed", true
    };
    check_fault(*state, EVENT_TRACK, &fault);
}

/* ---- rights: as a role that is no superuser ---- */

static void reopen_as_limited_role(struct fixture *f)
{
    char sql[600];
    char url[600];
    run(f, "DO $$ BEGIN CREATE ROLE held_loader; EXCEPTION WHEN duplicate_object THEN"
           " END $$");
    snprintf(sql, sizeof sql, "GRANT CREATE ON DATABASE %s TO held_loader",
             ask(f, "SELECT quote_ident(current_database())"));
    run(f, sql);
    close_pipeline(f);
    snprintf(url, sizeof url, "%s%soptions=-c%%20role%%3Dheld_loader", f->url,
             strchr(f->url, '?') == NULL ? "?" : "&");
    open_pipeline(f, url);
}

static void test_a_right_that_is_missing(void **state)
{
    static const struct fault fault = {
        "CREATE SCHEMA shop AUTHORIZATION held_loader;"
        "CREATE TABLE shop.track (message_id text COLLATE \"C\" PRIMARY KEY)",
        "ALTER TABLE shop.track OWNER TO held_loader", "GRANT", false
    };
    reopen_as_limited_role(*state);
    check_fault(*state, EVENT_TRACK, &fault);
}

static void test_a_table_of_another_owner_that_must_grow(void **state)
{
    static const struct fault fault = {
        "CREATE SCHEMA shop AUTHORIZATION held_loader;"
        "CREATE TABLE shop.track (message_id text COLLATE \"C\" PRIMARY KEY);"
        "GRANT SELECT, INSERT, UPDATE ON shop.track TO held_loader",
        "ALTER TABLE shop.track OWNER TO held_loader", "OWNER TO", false
    };
    reopen_as_limited_role(*state);
    check_fault(*state, EVENT_TRACK, &fault);
}

static void test_a_schema_that_may_not_be_made(void **state)
{
    struct fixture *f = *state;
    reopen_as_limited_role(f);
    connect_first(f); /* makes the control schema, which it then owns */
    char sql[300];
    snprintf(sql, sizeof sql, "REVOKE CREATE ON DATABASE %s FROM held_loader",
             ask(f, "SELECT quote_ident(current_database())"));
    run(f, sql);
    assert_int_equal(load(f, events_of(f, EVENT_TRACK)), TASK_DONE);
    assert_waits(f, "track", "segment.track 0 10");
    assert_waits(f, "page", "segment.page 0 10");
}

/* ---- others who hold a table ---- */

static void test_a_table_that_others_have_locked(void **state)
{
    struct fixture *f = *state;
    connect_first(f);
    assert_int_equal(load(f, events_of(f, EVENT_TRACK)), TASK_DONE);
    run(f, "SET idle_in_transaction_session_timeout = 0");
    run(f, "BEGIN; LOCK TABLE shop.track IN ACCESS EXCLUSIVE MODE");
    assert_int_equal(load(f, events_of(f, EVENT_TRACK)), TASK_DONE); /* takes 15 s */
    run(f, "COMMIT");
    count_rows(f, "page", "20");
    count_rows(f, "track", "10");
    assert_waits(f, "track", "segment.track 10 20");
    now_ms += 60000;
    look_at_held(f);
    assert_int_equal(load_slice(f, EVENT_TRACK), TASK_DONE);
    count_rows(f, "track", "20");
}

static void test_the_rejected_table_itself(void **state)
{
    struct fixture *f = *state;
    connect_first(f);
    run(f, "CREATE SCHEMA shop; CREATE VIEW shop._sdc_rejected AS SELECT 1 AS x");
    struct batch *b = events_of(f, EVENT_TRACK);
    struct log_record bad = event_at(EVENT_TRACK, f->next[EVENT_TRACK]++, ",");
    batch_add(b, &f->context, &bad, bad.offset, 0);
    assert_int_equal(b->rejected_count, 1);
    assert_int_equal(load(f, b), TASK_DONE);
    count_rows(f, "track", "10");
    assert_waits(f, "_sdc_rejected", "segment.track 10 11");
}

/* ---- what must simply load ---- */

static void test_a_partitioned_table_simply_loads(void **state)
{
    struct fixture *f = *state;
    connect_first(f);
    run(f, "CREATE SCHEMA shop;"
           "CREATE TABLE shop.track (message_id text COLLATE \"C\" PRIMARY KEY)"
           " PARTITION BY HASH (message_id);"
           "CREATE TABLE shop.track_0 PARTITION OF shop.track FOR VALUES WITH"
           " (MODULUS 2, REMAINDER 0);"
           "CREATE TABLE shop.track_1 PARTITION OF shop.track FOR VALUES WITH"
           " (MODULUS 2, REMAINDER 1)");
    assert_int_equal(load(f, events_of(f, EVENT_TRACK)), TASK_DONE);
    count_rows(f, "track", "10");
    assert_waits(f, "track", "");
    assert_sql(f, "10 0",
               "SELECT concat_ws(' ', sum(rows_new), sum(rows_replaced))"
               " FROM backstitch.load_stat WHERE \"table\" = 'track'");
}

/* As Stitch makes them. */
static void test_numbers_for_users_and_texts_for_times_load_and_are_withheld(void **state)
{
    struct fixture *f = *state;
    connect_first(f);
    run(f, "CREATE SCHEMA shop;"
           "CREATE TABLE shop.track (message_id text PRIMARY KEY, user_id bigint,"
           " received_at text, \"timestamp\" text);"
           "INSERT INTO backstitch.deletion (message_id, \"schema\", user_id,"
           " requested_at) VALUES ('d', 'shop', '8', now())");
    struct batch *b = batch_new();
    for (int i = 0; i < EVENTS; i++) {
        add(f, b, EVENT_TRACK, ",\"userId\":7");
    }
    add(f, b, EVENT_TRACK, ",\"userId\":8,\"timestamp\":\"2025-12-04T10:00:00Z\"");
    assert_int_equal(load(f, b), TASK_DONE);
    count_rows(f, "track", "10");
    assert_sql(f, "7", "SELECT DISTINCT user_id FROM shop.track");
    assert_sql(f, "1",
               "SELECT sum(rows_suppressed_deletion) FROM backstitch.load_stat"
               " WHERE \"table\" = 'track'");
    assert_waits(f, "track", "");
}

/* ---- rows ---- */

static void test_an_id_longer_than_the_key_is_rejected_before_the_database(void **state)
{
    struct fixture *f = *state;
    connect_first(f);
    run(f, "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id varchar(36) PRIMARY "
           "KEY)");
    assert_int_equal(load(f, events_of(f, EVENT_TRACK)), TASK_DONE);
    struct batch *b = events_of(f, EVENT_TRACK);
    struct log_record r = event_at(EVENT_TRACK, f->next[EVENT_TRACK]++, "");
    static const char longer[] =
        "{\"type\":\"track\",\"messageId\":\"ajs-next-0123456789-"
        "0123456789-0123456789-0123456789-0123456789\"}";
    free(r.message);
    r.message = mem_strdup(longer);
    r.record.value = view_cstr(r.message);
    batch_add(b, &f->context, &r, r.offset, 0);
    f->transactions = 0;
    assert_int_equal(load(f, b), TASK_DONE);
    assert_int_equal(f->transactions, 1);
    count_rows(f, "track", "20");
    assert_contains(ask(f, "SELECT reason FROM shop._sdc_rejected"), "message_id");
}

static void add_wide(struct fixture *f, struct batch *b)
{
    struct buf rest = { 0 };
    buf_add_cstr(&rest, ",\"properties\":{\"p\":1");
    for (int i = 0; i < 450; i++) {
        buf_printf(&rest, ",\"wide%d\":\"value %04d of this\"", i, i);
    }
    buf_add_cstr(&rest, "}");
    add(f, b, EVENT_TRACK, buf_cstr(&rest));
    buf_release(&rest);
}

static void test_ten_wide_rows_among_a_thousand_cost_three_transactions(void **state)
{
    struct fixture *f = *state;
    connect_first(f);
    struct batch *first = batch_new(); /* the table has its columns already */
    add_wide(f, first);
    assert_int_equal(load(f, first), TASK_DONE);
    struct batch *b = batch_new();
    for (int i = 0; i < 1000; i++) {
        if (i % 100 == 7) {
            add_wide(f, b);
        } else {
            add(f, b, EVENT_TRACK, ",\"properties\":{\"p\":1}");
        }
    }
    f->transactions = 0;
    assert_int_equal(load(f, b), TASK_DONE);
    assert_true(f->transactions <= 3);
    count_rows(f, "track", "1001");
    assert_sql(f, "11",
               "SELECT count(*) FROM shop.track WHERE _sdc_extra ? 'properties.wide3'");
    assert_sql(f, "0", "SELECT count(*) FROM shop._sdc_rejected");
}

/* Each for a reason that shows only when PostgreSQL is asked; the one that is refused at
 * the commit too. */
static void test_refused_rows_are_rejected_and_no_others(void **state)
{
    static const char *const rules[] = {
        "ALTER TABLE shop.track ADD CHECK (properties__n <> 13)",
        "ALTER TABLE shop.track ADD UNIQUE (properties__u)",
        "ALTER TABLE shop.track ADD UNIQUE (properties__u) DEFERRABLE INITIALLY DEFERRED",
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        void *one = NULL;
        set_up(&one);
        struct fixture *f = one;
        connect_first(f);
        struct batch *b = batch_new();
        add(f, b, EVENT_TRACK, ",\"properties\":{\"n\":1,\"u\":\"a\"}");
        assert_int_equal(load(f, b), TASK_DONE);
        run(f, rules[i]);
        b = events_of(f, EVENT_TRACK);
        for (int at = 0; at < 50; at++) { /* every tenth is refused by each rule */
            char rest[100];
            snprintf(rest, sizeof rest, ",\"properties\":{\"n\":%d,\"u\":\"%d\"}",
                     at % 10 == 3 ? 13 : 1, at % 10 == 3 ? 3 : at + 100);
            add(f, b, EVENT_TRACK, rest);
        }
        assert_int_equal(load(f, b), TASK_DONE);
        count_rows(f, "track",
                   i == 0 ? "56" : "57"); /* of equal ones the first is taken */
        assert_sql(f, i == 0 ? "5" : "4", "SELECT count(*) FROM shop._sdc_rejected");
        assert_waits(f, "track", "");
        tear_down(&one);
    }
    (void)state;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_view_under_the_tables_name),
        TEST(test_an_unrelated_table_gets_no_column),
        TEST(test_a_table_without_its_key),
        TEST(test_a_message_id_of_a_type_that_takes_no_text),
        TEST(test_a_trigger_whose_function_does_not_find_its_table),
        TEST(test_a_constraint_that_takes_no_row),
        TEST(test_a_code_that_is_not_listed),
        TEST(test_a_right_that_is_missing),
        TEST(test_a_table_of_another_owner_that_must_grow),
        TEST(test_a_schema_that_may_not_be_made),
        TEST(test_a_table_that_others_have_locked),
        TEST(test_the_rejected_table_itself),
        TEST(test_a_partitioned_table_simply_loads),
        TEST(test_numbers_for_users_and_texts_for_times_load_and_are_withheld),
        TEST(test_an_id_longer_than_the_key_is_rejected_before_the_database),
        TEST(test_ten_wide_rows_among_a_thousand_cost_three_transactions),
        cmocka_unit_test(test_refused_rows_are_rejected_and_no_others),
    };
    postgres_server_start();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop();
    return failed;
}

/* The PostgreSQL sink against a real server: the one transaction, its fences, copies,
 * suppression, statistics, and DDL beside others. */
#include "loader/load/batch_load.h"
#include "loader/postgres/connection.h"
#include "loader/postgres/postgres_sink.h"

#include "tests/support/postgres_server.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char topic[] = "segment.track";
static const char cluster[] = "c1";
static const char *const no_names[] = { NULL };

/* One loader: a sink with its own catalogue and mapper, as two processes would have. */
struct loader {
    struct sink sink;
    struct catalogue *catalogue;
    struct mapper *mapper;
};

struct fixture {
    char url[320];
    struct connection eye; /* looks at the result, and plays the human */
    struct loader a, b;
};

static void release_message(void *context, void *message)
{
    (void)context;
    free(message);
}

static const struct log_release releases = { NULL, release_message };

static void open_loader(struct loader *l, const char *url, const char *owner, bool newest)
{
    struct mapping_options options = { .ignore_paths = no_names,
                                       .integration_names = no_names };
    struct postgres_sink_setup setup = { .database_url = url,
                                         .group = "g",
                                         .owner = owner,
                                         .newest_wins = newest,
                                         .new_columns_per_hour = 100 };
    struct error err;
    assert_true(postgres_sink_open(&setup, &l->sink, &err));
    l->catalogue = catalogue_new();
    l->mapper = mapper_new(&options);
    if (!l->sink.connect(l->sink.context, &err)) {
        fail_msg("%s %s", err.code, err.text);
    }
}

static void close_loader(struct loader *l)
{
    postgres_sink_close(&l->sink);
    catalogue_free(l->catalogue);
    mapper_free(l->mapper);
}

static int set_up(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof *f);
    struct error err;
    snprintf(f->url, sizeof f->url, "%s", postgres_server_new_database());
    open_loader(&f->a, f->url, "a", false);
    assert_true(connection_open(&f->eye, f->url, &err));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close_loader(&f->a);
    if (f->b.catalogue != NULL) {
        close_loader(&f->b);
    }
    connection_close(&f->eye);
    free(f);
    return 0;
}

/* ---- looking and acting by SQL ---- */

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

/* ---- records and batches ---- */

struct event {
    int64_t offset;
    const char *id;
    int64_t received_at_ms; /* orders copies: the sequence */
    const char *rest;       /* further members, with their comma */
    enum event_type type;
};

static struct log_record to_record(const struct event *e)
{
    size_t size = strlen(e->rest) + 200;
    char *value = mem_alloc(size);
    int len = snprintf(value, size, "{\"type\":\"%s\",\"messageId\":\"%s\"%s}",
                       event_type_name(e->type), e->id, e->rest);
    struct log_record r = {
        .record = { .topic = e->type,
                    .value = view_of(value, (size_t)len),
                    .source = VIEW_LITERAL("shop"),
                    .schema = VIEW_LITERAL("shop"),
                    .received_at_ms = e->received_at_ms,
                    .via = VIA_WEBHOOK,
                    .auth = AUTH_TOKEN },
        .topic = topic,
        .partition = 0,
        .offset = e->offset,
        .headers_are_valid = true,
        .message = value,
    };
    return r;
}

static struct batch_context context_of(struct loader *l)
{
    struct batch_context c = { .catalogue = l->catalogue,
                               .mapper = l->mapper,
                               .max_columns = 800 };
    return c;
}

static void add(struct batch *b, struct loader *l, struct event e)
{
    struct log_record r = to_record(&e);
    struct batch_context c = context_of(l);
    batch_add(b, &c, &r, e.offset, 0);
}

/* What table_keeper does, without its refinements: makes every plan true and maps again,
 * until nothing is to be added (a twin shows only once the column's type is known). */
static void ensure(struct loader *l, struct batch *b)
{
    struct batch_context c = context_of(l);
    struct error err;
    size_t added = 1;
    while (added > 0) {
        for (size_t i = 0; i < b->table_count; i++) {
            struct table *made = NULL;
            if (!l->sink.extend(l->sink.context, b->tables[i].plan, &made, &err)) {
                fail_msg("%s %s", err.code, err.text);
            }
            catalogue_put(l->catalogue, made);
            table_unref(made);
        }
        batch_map(b, &c);
        added = 0;
        for (size_t i = 0; i < b->table_count; i++) {
            added += table_plan_added(b->tables[i].plan);
        }
    }
}

static bool load(struct loader *l, struct batch *b, struct load_counts *counts,
                 struct error *err)
{
    static const struct held_tables none = { 0 };
    struct load_counts own[16] = { { 0 } };
    struct batch_load content;
    size_t failed_table;
    assert_true(b->table_count <= 16);
    batch_load_make(b, 0, b->record_count, &none, &content);
    bool done = l->sink.load(l->sink.context, cluster, &content.load,
                             counts == NULL ? own : counts, &failed_table, err);
    batch_load_release(&content);
    return done;
}

static void load_well(struct loader *l, struct batch *b, struct load_counts *counts)
{
    struct error err = { .text = "" };
    ensure(l, b);
    if (!load(l, b, counts, &err)) {
        fail_msg("%s %s", err.code, err.text);
    }
    batch_free(b, &releases);
}

static void position(struct loader *l, int64_t offset)
{
    struct sink_position now = { topic, 0, -1 };
    struct error err;
    assert_true(l->sink.read_positions(l->sink.context, cluster, &now, 1, &err));
    struct sink_move move = { .topic = topic,
                              .expected = now.next_offset,
                              .next = offset };
    if (!l->sink.move_positions(l->sink.context, cluster, &move, 1, &err)) {
        fail_msg("%s %s", err.code, err.text);
    }
}

/* Loads events one batch each, in the given order, each at the next offset. */
static void load_each(struct fixture *f, struct loader *l, const struct event *events,
                      size_t count)
{
    (void)f;
    for (size_t i = 0; i < count; i++) {
        struct batch *b = batch_new();
        add(b, l, events[i]);
        position(l, events[i].offset);
        load_well(l, b, NULL);
    }
}

/* ---- tests ---- */

static void test_the_control_schema_is_made_once(void **state)
{
    struct fixture *f = *state;
    open_loader(&f->b, f->url, "b", false);
    assert_sql(f, "1", "SELECT count(*) FROM backstitch.migration");
}

static void test_sources_are_noted_and_old_statistics_end(void **state)
{
    static const struct event events[] = {
        { 5, "m1", 1000, "", EVENT_TRACK },
        { 6, "m2", 2000, "", EVENT_TRACK }, /* within the minute: not noted again */
    };
    struct fixture *f = *state;
    run(f, "INSERT INTO backstitch.load_stat (minute, loader, \"schema\", \"table\")"
           " VALUES (now() - interval '31 days', 'x', 'old', 't'),"
           " (now() - interval '29 days', 'x', 'kept', 't')");
    load_each(f, &f->a, events, 2);
    assert_sql(f, "shop shop 1 1970-01-01 00:00:01+00",
               "SELECT concat_ws(' ', \"schema\", source, mapping_version, last_event_at)"
               " FROM backstitch.source");
    assert_sql(f, "kept",
               "SELECT string_agg(\"schema\", ' ') FROM backstitch.load_stat"
               " WHERE loader = 'x'");
    /* Another loader knows nothing of that, and may be behind. */
    open_loader(&f->b, f->url, "b", false);
    load_each(f, &f->b, events, 1);
    assert_sql(f, "1970-01-01 00:00:01+00",
               "SELECT last_event_at FROM backstitch.source");
}

static void test_an_event_becomes_a_row_with_its_columns(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    struct load_counts counts[1] = { { 0 } };
    position(&f->a, 5);
    add(b, &f->a,
        (struct event){
            5, "m1", 1000,
            ",\"event\":\"x\",\"properties\":{\"a\":1.50,\"t\":\"\\t\\\\ \\n\"}",
            EVENT_TRACK });
    load_well(&f->a, b, counts);
    assert_int_equal(counts[0].rows_new, 1);
    assert_sql(f, "1.50", "SELECT properties__a FROM shop.track");
    assert_sql(f, "t", "SELECT properties__t = E'\\t\\\\ \\n' FROM shop.track");
    assert_sql(f, "properties.a",
               "SELECT col_description('shop.track'::regclass, attnum) FROM pg_attribute"
               " WHERE attrelid = 'shop.track'::regclass AND attname = 'properties__a'");
    assert_sql(f, "6", "SELECT next_offset FROM backstitch.load_offset");
    assert_sql(f, "1", "SELECT sum(rows_new) FROM backstitch.load_stat");
    assert_sql(f, "t",
               "SELECT _sdc_batched_at BETWEEN now() - interval '1 minute' AND now()"
               " FROM shop.track");
    assert_sql(f, "C",
               "SELECT collname FROM pg_attribute a JOIN pg_collation c"
               " ON c.oid = attcollation WHERE attrelid = 'shop.track'::regclass"
               " AND attname = 'message_id'");
}

static void test_a_position_that_is_not_ours_loads_nothing(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    struct error err;
    position(&f->a, 9);
    add(b, &f->a, (struct event){ 5, "m1", 1000, "", EVENT_TRACK });
    ensure(&f->a, b);
    assert_false(load(&f->a, b, NULL, &err));
    assert_string_equal(err.code, "BS001");
    assert_int_equal(sink_failure_of(&err), SINK_FENCED);
    assert_sql(f, "0", "SELECT count(*) FROM shop.track");
    assert_sql(f, "9", "SELECT next_offset FROM backstitch.load_offset");
    batch_free(b, &releases);
}

static void test_a_table_that_changed_is_told(void **state)
{
    static const char *const changes[] = {
        "ALTER TABLE shop.track ADD COLUMN human text",
        "ALTER TABLE shop.track ALTER COLUMN channel TYPE varchar(5)",
        "ALTER TABLE shop.track DROP COLUMN channel",
        "ALTER TABLE shop.track RENAME COLUMN version TO v",
        "DROP TABLE shop.track",
    };
    struct fixture *f = *state;
    position(&f->a, 0);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct batch *b = batch_new();
        struct error err;
        add(b, &f->a, (struct event){ 0, "m1", 1000, "", EVENT_TRACK });
        ensure(&f->a, b);
        run(f, changes[i]);
        assert_false(load(&f->a, b, NULL, &err));
        assert_int_equal(sink_failure_of(&err), SINK_STALE);
        assert_sql(f, "0", "SELECT next_offset FROM backstitch.load_offset");
        batch_free(b, &releases);
    }
}

static void test_a_refused_value_takes_everything_back(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    struct error err;
    position(&f->a, 0);
    add(b, &f->a, (struct event){ 0, "p1", 1000, "", EVENT_PAGE });
    add(b, &f->a,
        (struct event){ 1, "good", 1000, ",\"properties\":{\"n\":1}", EVENT_TRACK });
    add(b, &f->a,
        (struct event){ 2, "bad", 1000, ",\"properties\":{\"n\":-1}", EVENT_TRACK });
    ensure(&f->a, b);
    run(f, "ALTER TABLE shop.track ADD CONSTRAINT positive CHECK (properties__n > 0)");
    static const struct held_tables none = { 0 };
    struct load_counts counts[2];
    struct batch_load content;
    size_t failed_table = SINK_NO_TABLE;
    batch_load_make(b, 0, b->record_count, &none, &content);
    assert_false(f->a.sink.load(f->a.sink.context, cluster, &content.load, counts,
                                &failed_table, &err));
    batch_load_release(&content);
    assert_int_equal(failed_table, 1); /* the batch's second table: track */
    assert_string_equal(err.code, "23514");
    assert_int_equal(sink_failure_of(&err), SINK_POISON);
    assert_sql(f, "0", "SELECT count(*) FROM shop.page");
    assert_sql(f, "0", "SELECT next_offset FROM backstitch.load_offset");
    batch_free(b, &releases);
    /* The session goes on, and its staging tables are clean. */
    b = batch_new();
    add(b, &f->a,
        (struct event){ 0, "good", 1000, ",\"properties\":{\"n\":1}", EVENT_TRACK });
    load_well(&f->a, b, NULL);
    assert_sql(f, "good", "SELECT string_agg(message_id, ',') FROM shop.track");
}

static const struct event first_copy = {
    0, "m", 1000, ",\"event\":\"first\",\"properties\":{\"only_first\":1}", EVENT_TRACK
};
static const struct event second_copy = {
    1, "m", 2000, ",\"event\":\"second\",\"properties\":{\"only_second\":2}", EVENT_TRACK
};

static void assert_whole_row(struct fixture *f, const char *event)
{
    bool is_first = strcmp(event, "first") == 0;
    assert_sql(f, "1", "SELECT count(*) FROM shop.track");
    assert_sql(f, event, "SELECT event FROM shop.track");
    assert_sql(
        f, is_first ? "t" : "f",
        "SELECT properties__only_first IS NOT NULL AND properties__only_second IS NULL"
        " FROM shop.track");
    assert_sql(
        f, is_first ? "f" : "t",
        "SELECT properties__only_second IS NOT NULL AND properties__only_first IS NULL"
        " FROM shop.track");
}

static void test_the_oldest_copy_stays_whole_in_any_order(void **state)
{
    struct fixture *f = *state;
    const struct event forward[] = { first_copy, second_copy };
    load_each(f, &f->a, forward, 2);
    assert_whole_row(f, "first");
    run(f, "DROP SCHEMA shop CASCADE");
    catalogue_clear(f->a.catalogue);
    f->a.sink.disconnect(f->a.sink.context);
    struct error err;
    assert_true(f->a.sink.connect(f->a.sink.context, &err));
    const struct event backward[] = { second_copy, first_copy };
    load_each(f, &f->a, backward, 2);
    assert_whole_row(f, "first");
    assert_sql(f, "1", "SELECT sum(rows_replaced) FROM backstitch.load_stat");
    assert_sql(f, "1", "SELECT sum(rows_duplicate) FROM backstitch.load_stat");
}

static void test_the_newest_copy_stays_whole_in_any_order(void **state)
{
    struct fixture *f = *state;
    open_loader(&f->b, f->url, "b", true);
    const struct event forward[] = { first_copy, second_copy };
    load_each(f, &f->b, forward, 2);
    assert_whole_row(f, "second");
    const struct event again[] = { first_copy };
    load_each(f, &f->b, again, 1);
    assert_whole_row(f, "second");
}

static void test_copies_in_one_batch_are_one_row(void **state)
{
    struct fixture *f = *state;
    struct load_counts counts[1] = { { 0 } };
    struct batch *b = batch_new();
    position(&f->a, 0);
    add(b, &f->a, second_copy);
    add(b, &f->a, first_copy);
    add(b, &f->a, (struct event){ 2, "m", 3000, "", EVENT_TRACK });
    b->intervals[0].from = 0;
    load_well(&f->a, b, counts);
    assert_whole_row(f, "first");
    assert_int_equal(counts[0].rows_new, 1);
    assert_int_equal(counts[0].rows_duplicate, 2);
}

static void test_loading_all_again_writes_nothing(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        struct batch *b = batch_new();
        char id[24];
        position(&f->a, 0);
        for (int64_t i = 0; i < 50; i++) {
            snprintf(id, sizeof id, "m%lld", (long long)i);
            add(b, &f->a,
                (struct event){ i, id, 1000 + i, ",\"event\":\"e\"", EVENT_TRACK });
        }
        load_well(&f->a, b, NULL);
        if (round == 0) {
            run(f, "CREATE TABLE public.before AS SELECT message_id, xmin::text AS x, "
                   "ctid AS c"
                   " FROM shop.track");
        }
    }
    assert_sql(f, "50",
               "SELECT count(*) FROM shop.track t JOIN public.before b"
               " ON b.message_id = t.message_id AND b.x = t.xmin::text AND b.c = t.ctid");
}

/* Of user 42, with a table as `sql` made it before; "": ours. */
static void withhold(struct fixture *f, const char *sql)
{
    struct load_counts counts[1] = { { 0 } };
    run(f, "INSERT INTO backstitch.deletion VALUES"
           " ('d1', 'shop', '42', to_timestamp(5), NULL, NULL)");
    run(f, sql);
    struct batch *b = batch_new();
    position(&f->a, 0);
    add(b, &f->a, (struct event){ 0, "before", 4000, ",\"userId\":42", EVENT_TRACK });
    add(b, &f->a, (struct event){ 1, "after", 6000, ",\"userId\":\"42\"", EVENT_TRACK });
    add(b, &f->a,
        (struct event){ 2, "late", 6000,
                        ",\"userId\":\"42\",\"timestamp\":\"1970-01-01T00:00:04Z\"",
                        EVENT_TRACK });
    add(b, &f->a,
        (struct event){ 3, "other", 4000, ",\"userId\":\"stays\"", EVENT_TRACK });
    load_well(&f->a, b, counts);
    assert_sql(f, "after,other",
               "SELECT string_agg(message_id, ',' ORDER BY message_id)"
               " FROM shop.track");
    assert_int_equal(counts[0].rows_suppressed, 2);
    assert_sql(f, "2", "SELECT sum(rows_suppressed_deletion) FROM backstitch.load_stat");
}

static void test_events_of_a_deleted_user_are_withheld_and_counted(void **state)
{
    withhold(*state, "");
}

/* Stitch makes user_id a number when ids are, and times what they looked like at first.
 */
static void test_events_are_withheld_whatever_types_the_table_has(void **state)
{
    withhold(*state,
             "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id text PRIMARY "
             "KEY, user_id bigint, received_at text, \"timestamp\" text, "
             "_sdc_received_at text)");
}

static void test_events_are_withheld_when_their_user_has_only_the_twin(void **state)
{
    withhold(*state,
             "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id text PRIMARY "
             "KEY, user_id boolean, \"timestamp\" date)");
}

static void test_a_deletion_request_is_kept_once(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 2; i++) {
        struct batch *b = batch_new();
        position(&f->a, i);
        add(b, &f->a,
            (struct event){ i, "d1", 7000, ",\"userId\":\"u9\"", EVENT_DELETE });
        load_well(&f->a, b, NULL);
    }
    assert_sql(f, "d1 shop u9 7",
               "SELECT concat_ws(' ', message_id, \"schema\", user_id,"
               " extract(epoch FROM requested_at)::int) FROM backstitch.deletion");
}

static void test_a_rejected_event_counts_its_attempts(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    position(&f->a, 0);
    for (int64_t i = 0; i < 3; i++) {
        struct event e = { i, "r1", 1000, ",\"userId\":\"it's\"", EVENT_REJECTED };
        struct log_record r = to_record(&e);
        r.record.reason = view_cstr("unknown event type");
        struct batch_context c = context_of(&f->a);
        batch_add(b, &c, &r, i, 0);
        if (i == 1) {
            load_well(&f->a, b, NULL);
            b = batch_new();
        }
    }
    load_well(&f->a, b, NULL);
    assert_sql(f, "1", "SELECT count(*) FROM shop._sdc_rejected");
    assert_sql(f, "3 2 it's",
               "SELECT concat_ws(' ', attempts, kafka_offset, user_id)"
               " FROM shop._sdc_rejected");
    assert_sql(f, "3", "SELECT sum(rows_rejected) FROM backstitch.load_stat");
    assert_sql(
        f, "record,reason,table_name,_sdc_rejected_at",
        "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'shop._sdc_rejected'::regclass AND attnum BETWEEN 1 AND 4");
}

static void test_humans_columns_are_left_to_their_defaults(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    position(&f->a, 0);
    add(b, &f->a,
        (struct event){ 0, "m0", 1000, ",\"properties\":{\"n\":1}", EVENT_TRACK });
    load_well(&f->a, b, NULL);
    run(f, "ALTER TABLE shop.track ADD COLUMN seen timestamptz NOT NULL DEFAULT now(),"
           " ADD COLUMN twice numeric GENERATED ALWAYS AS (properties__n * 2) STORED,"
           " ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY");
    catalogue_clear(f->a.catalogue);
    b = batch_new();
    add(b, &f->a,
        (struct event){ 1, "m1", 1000, ",\"properties\":{\"n\":21}", EVENT_TRACK });
    load_well(&f->a, b, NULL);
    assert_sql(f, "42", "SELECT twice FROM shop.track WHERE message_id = 'm1'");
    assert_sql(f, "t",
               "SELECT seen IS NOT NULL AND id IS NOT NULL FROM shop.track"
               " WHERE message_id = 'm1'");
}

static void test_two_loaders_that_add_columns_end_with_both(void **state)
{
    struct fixture *f = *state;
    open_loader(&f->b, f->url, "b", false);
    struct batch *x = batch_new();
    struct batch *y = batch_new();
    add(x, &f->a,
        (struct event){ 0, "x", 1000, ",\"properties\":{\"a\":1,\"both\":1}",
                        EVENT_TRACK });
    add(y, &f->b,
        (struct event){ 1, "y", 1000, ",\"properties\":{\"b\":1,\"both\":\"text\"}",
                        EVENT_TRACK });
    position(&f->a, 0);
    load_well(&f->a, x, NULL);
    load_well(&f->b, y, NULL);
    assert_sql(f, "properties__a,properties__b,properties__both,properties__both__st",
               "SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute"
               " WHERE attrelid = 'shop.track'::regclass AND attname LIKE 'properties%'");
    assert_sql(f, "text",
               "SELECT properties__both__st FROM shop.track WHERE message_id = 'y'");
}

static void test_a_table_that_a_reader_holds_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    struct table *made = NULL;
    struct error err;
    position(&f->a, 0);
    add(b, &f->a, (struct event){ 0, "m0", 1000, "", EVENT_TRACK });
    load_well(&f->a, b, NULL);
    run(f, "BEGIN; SELECT count(*) FROM shop.track");
    b = batch_new();
    add(b, &f->a,
        (struct event){ 1, "m1", 1000, ",\"properties\":{\"fresh\":1}", EVENT_TRACK });
    assert_false(f->a.sink.extend(f->a.sink.context, b->tables[0].plan, &made, &err));
    assert_string_equal(err.code, "55P03");
    run(f, "COMMIT");
    load_well(&f->a, b, NULL);
    assert_sql(f, "1",
               "SELECT properties__fresh FROM shop.track WHERE message_id = 'm1'");
}

static void test_the_probe_row_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    struct table *t = NULL;
    struct error err;
    position(&f->a, 0);
    add(b, &f->a, (struct event){ 0, "m0", 1000, "", EVENT_TRACK });
    load_well(&f->a, b, NULL);
    assert_true(f->a.sink.read_table(f->a.sink.context, view_cstr("shop"),
                                     view_cstr("track"), &t, &err));
    assert_true(f->a.sink.probe(f->a.sink.context, t, &err));
    assert_sql(f, "1", "SELECT count(*) FROM shop.track");
    run(f, "ALTER TABLE shop.track ADD CONSTRAINT never CHECK (type <> 'p')");
    assert_false(f->a.sink.probe(f->a.sink.context, t, &err));
    assert_string_equal(err.code, "23514");
    table_unref(t);
}

static void test_the_probe_row_fits_a_narrow_key(void **state)
{
    struct fixture *f = *state;
    struct table *t = NULL;
    struct error err;
    run(f, "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id varchar(3) PRIMARY "
           "KEY)");
    assert_true(f->a.sink.read_table(f->a.sink.context, view_cstr("shop"),
                                     view_cstr("track"), &t, &err));
    if (!f->a.sink.probe(f->a.sink.context, t, &err)) {
        fail_msg("%s %s", err.code, err.text);
    }
    table_unref(t);
}

static void test_readers_get_what_the_loader_makes(void **state)
{
    static const char *const roles[] = { "test_reader", NULL };
    struct fixture *f = *state;
    struct postgres_sink_setup setup = {
        .database_url = f->url, .group = "g", .owner = "r", .grant_select = roles
    };
    struct error err;
    run(f, "DO $$ BEGIN CREATE ROLE test_reader; EXCEPTION WHEN duplicate_object THEN "
           "END $$");
    f->a.sink.disconnect(f->a.sink.context);
    postgres_sink_close(&f->a.sink);
    assert_true(postgres_sink_open(&setup, &f->a.sink, &err));
    assert_true(f->a.sink.connect(f->a.sink.context, &err));
    struct batch *b = batch_new();
    position(&f->a, 0);
    add(b, &f->a, (struct event){ 0, "m0", 1000, "", EVENT_TRACK });
    load_well(&f->a, b, NULL);
    run(f, "SET ROLE test_reader");
    assert_sql(f, "1", "SELECT count(*) FROM shop.track");
    assert_sql(f, "0", "SELECT count(*) FROM shop._sdc_rejected");
    run(f, "RESET ROLE");
}

static void test_hostile_names_stay_names(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_new();
    position(&f->a, 0);
    add(b, &f->a,
        (struct event){
            0, "'; DROP SCHEMA backstitch CASCADE; --", 1000,
            ",\"properties\":{\"\\\"; DROP TABLE x; --\":\"\\\\.\\n\",\"ctid\":1}",
            EVENT_TRACK });
    load_well(&f->a, b, NULL);
    assert_sql(f, "1",
               "SELECT count(*) FROM shop.track WHERE message_id ="
               " $$'; DROP SCHEMA backstitch CASCADE; --$$");
}

static int start_server(void **state)
{
    (void)state;
    postgres_server_start();
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    postgres_server_stop();
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_control_schema_is_made_once),
        TEST(test_sources_are_noted_and_old_statistics_end),
        TEST(test_an_event_becomes_a_row_with_its_columns),
        TEST(test_a_position_that_is_not_ours_loads_nothing),
        TEST(test_a_table_that_changed_is_told),
        TEST(test_a_refused_value_takes_everything_back),
        TEST(test_the_oldest_copy_stays_whole_in_any_order),
        TEST(test_the_newest_copy_stays_whole_in_any_order),
        TEST(test_copies_in_one_batch_are_one_row),
        TEST(test_loading_all_again_writes_nothing),
        TEST(test_events_of_a_deleted_user_are_withheld_and_counted),
        TEST(test_events_are_withheld_whatever_types_the_table_has),
        TEST(test_events_are_withheld_when_their_user_has_only_the_twin),
        TEST(test_a_deletion_request_is_kept_once),
        TEST(test_a_rejected_event_counts_its_attempts),
        TEST(test_humans_columns_are_left_to_their_defaults),
        TEST(test_two_loaders_that_add_columns_end_with_both),
        TEST(test_a_table_that_a_reader_holds_is_not_waited_for),
        TEST(test_the_probe_row_leaves_nothing),
        TEST(test_the_probe_row_fits_a_narrow_key),
        TEST(test_readers_get_what_the_loader_makes),
        TEST(test_hostile_names_stay_names),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}

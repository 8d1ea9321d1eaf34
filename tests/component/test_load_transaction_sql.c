/* The frozen text of the load transaction (tests/component/sql) against a real server:
 * what it promises, without the loader around it. */
#include "tests/support/load_session.h"
#include "tests/support/postgres_server.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_MS 20000
#define OPPOSITE_ROUNDS 8
#define OPPOSITE_ROWS 400

extern const char control_schema_sql[];

struct fixture {
    struct connection eye; /* looks at the result, and plays the human */
    struct load_session a, b;
    char page_fingerprint[64], track_fingerprint[64];
    int64_t next[2]; /* positions of the groups g1 and g2 */
};

/* ---- looking and acting by SQL ---- */

static void run(struct fixture *f, const char *sql)
{
    struct error err;
    if (!connection_run(&f->eye, sql, "test", &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
}

/* The first field of the first row; valid until the next call. */
static const char *ask_of(struct connection *c, const char *sql)
{
    static char answer[4096];
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(c, sql, 0, NULL, &r, &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
    assert_int_equal(connection_rows(r), 1);
    struct view v = connection_field(r, 0, 0);
    snprintf(answer, sizeof answer, "%.*s", VIEW_ARG(v));
    connection_free(r);
    return answer;
}

#define assert_sql(f, expected, sql) assert_string_equal(ask_of(&(f)->eye, sql), expected)

static void read_fingerprint(struct fixture *f, const char *table, char *out, size_t size)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT backstitch.table_fingerprint('shop.%s'::regclass)",
             table);
    snprintf(out, size, "%s", ask_of(&f->eye, sql));
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

static int set_up(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof *f);
    struct buf tables = { 0 };
    struct error err;
    const char *url = postgres_server_new_database();
    assert_true(connection_open(&f->eye, url, &err));
    load_sql_read("tables.sql", &tables);
    run(f, control_schema_sql);
    run(f, buf_cstr(&tables));
    buf_release(&tables);
    read_fingerprint(f, "page", f->page_fingerprint, sizeof f->page_fingerprint);
    read_fingerprint(f, "track", f->track_fingerprint, sizeof f->track_fingerprint);
    load_session_open(&f->a, url);
    load_session_open(&f->b, url);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    load_session_close(&f->a);
    load_session_close(&f->b);
    connection_close(&f->eye);
    free(f);
    return 0;
}

/* ---- rows and loads ---- */

struct page { /* NULL: the column is NULL */
    const char *id, *name, *user_id, *timestamp;
    int64_t sequence;
};

struct track {
    const char *id, *event, *user_id, *received_at, *timestamp, *n, *s;
    int64_t sequence;
};

#define RECEIVED_AT "1970-01-01 00:00:10+00" /* of all rows, by our clock */

static const char *field(const char *text)
{
    return text == NULL ? "\\N" : text;
}

/* What the mapping finds out: whose event it is, since when, when we received it. Times
 * of this shape compare as text. */
static void add_since(struct buf *rows, const char *user_id, const char *timestamp,
                      const char *received_at)
{
    const char *since = RECEIVED_AT;
    since = timestamp != NULL && strcmp(timestamp, since) < 0 ? timestamp : since;
    since = received_at != NULL && strcmp(received_at, since) < 0 ? received_at : since;
    buf_printf(rows, "\t%s\t%s\t" RECEIVED_AT "\n", field(user_id), since);
}

static void add_page(struct buf *rows, struct page p)
{
    buf_printf(rows, "%s\tpage\t%s\t%s\t%s\t" RECEIVED_AT "\t%lld\t1", p.id,
               field(p.user_id), field(p.timestamp), field(p.name),
               (long long)p.sequence);
    add_since(rows, p.user_id, p.timestamp, NULL);
}

static void add_track(struct buf *rows, struct track t)
{
    buf_printf(rows, "%s\ttrack\t%s\t%s\t%s\t%s\t" RECEIVED_AT "\t%lld\t1\t%s\t%s", t.id,
               field(t.user_id), field(t.received_at), field(t.timestamp), field(t.event),
               (long long)t.sequence, field(t.n), field(t.s));
    add_since(rows, t.user_id, t.timestamp, t.received_at);
}

/* The next load of group g1 (0) or g2 (1), one offset further in each partition. */
static struct load_sql load_of(struct fixture *f, unsigned group, bool newest_wins)
{
    struct load_sql values = { .group = group == 0 ? "g1" : "g2",
                               .owner = group == 0 ? "a" : "b",
                               .from = f->next[group],
                               .to = f->next[group] + 1,
                               .page_fingerprint = f->page_fingerprint,
                               .track_fingerprint = f->track_fingerprint,
                               .page_rows = 1,
                               .track_rows = 1,
                               .newest_wins = newest_wins };
    return values;
}

static void load_tracks(struct fixture *f, bool newest_wins, const struct track *tracks,
                        size_t count)
{
    struct load_sql values = load_of(f, 0, newest_wins);
    struct buf rows = { 0 };
    for (size_t i = 0; i < count; i++) {
        add_track(&rows, tracks[i]);
    }
    values.page_rows = 0;
    values.track_rows = count;
    load_session_run(&f->a, &values, "", buf_cstr(&rows));
    assert_string_equal(f->a.outcome.code, "");
    f->next[0]++;
    buf_release(&rows);
}

/* Nothing of a load is left: no row, no position, no statistics, nothing staged; and the
 * session is ready for the next. */
static void assert_nothing_left(struct fixture *f)
{
    assert_sql(f, "0 0 0 0 0 0",
               "SELECT concat_ws(' ', (SELECT count(*) FROM shop.page),"
               " (SELECT count(*) FROM shop.track),"
               " (SELECT count(*) FROM shop._sdc_rejected),"
               " (SELECT count(*) FROM backstitch.deletion),"
               " (SELECT count(*) FROM backstitch.load_stat),"
               " (SELECT sum(next_offset) FROM backstitch.load_offset))");
    assert_string_equal(ask_of(&f->a.connection,
                               "SELECT (SELECT count(*) FROM pg_temp.staging_0)"
                               " + (SELECT count(*) FROM pg_temp.staging_1)"),
                        "0");
}

/* ---- fences ---- */

static void test_a_wrong_position_stops_it_before_the_first_copy(void **state)
{
    struct fixture *f = *state;
    struct load_sql values = load_of(f, 0, false);
    /* The other partition is where it should be: its position must come back. */
    run(f, "UPDATE backstitch.load_offset SET next_offset = 7"
           " WHERE consumer_group = 'g1' AND topic = 'segment.track'");
    load_session_run(&f->a, &values, "", "");
    assert_string_equal(f->a.outcome.code, "BS001");
    assert_int_equal(f->a.outcome.copies, 0);
    run(f, "UPDATE backstitch.load_offset SET next_offset = 0");
    assert_nothing_left(f);
    run(f, "DELETE FROM backstitch.load_offset");
    load_session_run(&f->a, &values, "", "");
    assert_string_equal(f->a.outcome.code, "BS001");
}

static void test_a_changed_table_stops_it_before_the_first_copy(void **state)
{
    static const struct {
        const char *change, *code;
    } cases[] = {
        { "ALTER TABLE shop.track ADD COLUMN human text", "BS002" },
        { "ALTER TABLE shop.track ALTER COLUMN channel TYPE varchar", "BS002" },
        { "ALTER TABLE shop.track ALTER COLUMN channel TYPE varchar(5)", "BS002" },
        { "ALTER TABLE shop.track RENAME COLUMN channel TO other", "BS002" },
        { "ALTER TABLE shop.track DROP COLUMN channel", "BS002" },
        { "ALTER TABLE shop.track ALTER COLUMN event SET DEFAULT 'x'", "BS002" },
        { "ALTER TABLE shop.track ALTER COLUMN twice DROP EXPRESSION", "BS002" },
        { "ALTER TABLE shop.track RENAME TO elsewhere", "42P01" },
        { "DROP TABLE shop.track", "42P01" },
    };
    struct fixture *f = *state;
    struct load_sql values = load_of(f, 0, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err;
        run(f, "BEGIN");
        run(f, cases[i].change);
        /* In the session that changed it: undone afterwards. */
        struct buf sql = { 0 };
        buf_printf(&sql,
                   "LOCK TABLE shop.track IN ROW EXCLUSIVE MODE;"
                   "SELECT backstitch.check_table('shop', 'track', '%s')",
                   values.track_fingerprint);
        assert_false(connection_run(&f->eye, buf_cstr(&sql), "checking", &err));
        assert_string_equal(err.code, cases[i].code);
        buf_release(&sql);
        run(f, "ROLLBACK");
    }
    run(f, cases[0].change);
    load_session_run(&f->a, &values, "", "");
    assert_string_equal(f->a.outcome.code, "BS002");
    assert_int_equal(f->a.outcome.copies, 0);
    assert_nothing_left(f);
}

/* ---- what a load leaves ---- */

static void test_a_load_is_one_transaction(void **state)
{
    struct fixture *f = *state;
    struct load_sql values = load_of(f, 0, false);
    struct buf pages = { 0 }, tracks = { 0 };
    add_page(&pages, (struct page){ .id = "p1", .name = "Home", .sequence = 1 });
    add_track(&tracks,
              (struct track){ .id = "t1", .event = "Paid", .n = "7", .sequence = 2 });

    load_session_begin(&f->a, &values);
    assert_true(load_session_reach_copy(&f->a));
    load_session_copy(&f->a, buf_cstr(&pages));
    assert_true(load_session_reach_copy(&f->a));
    /* Inside of it: others see nothing, and cannot change or erase what it is loading. */
    assert_sql(f, "0", "SELECT count(*) FROM shop.page");
    assert_sql(f, "0", "SELECT sum(next_offset) FROM backstitch.load_offset");
    assert_sql(
        f, "f",
        "SELECT pg_try_advisory_xact_lock(backstitch.schema_lock(), hashtext('shop'))");
    struct error err;
    assert_false(connection_run(
        &f->eye, "SET lock_timeout = 1; ALTER TABLE shop.page DROP COLUMN name",
        "altering", &err));
    assert_string_equal(err.code, "55P03");
    run(f, "RESET lock_timeout");
    load_session_copy(&f->a, buf_cstr(&tracks));
    assert_false(load_session_reach_copy(&f->a));

    assert_string_equal(f->a.outcome.code, "");
    assert_int_equal(f->a.outcome.counted, 2);
    assert_int_equal(f->a.outcome.counts[0].rows_new, 1);
    assert_int_equal(f->a.outcome.counts[1].rows_new, 1);
    assert_sql(f, "Home", "SELECT name FROM shop.page WHERE message_id = 'p1'");
    assert_sql(f, "7 14 f",
               "SELECT concat_ws(' ', properties__n, twice, reviewed) FROM shop.track");
    assert_sql(f, "1:a 1:a",
               "SELECT string_agg(next_offset || ':' || owner, ' ')"
               " FROM backstitch.load_offset WHERE consumer_group = 'g1'");
    assert_sql(f, "group 0 0, page 1 512, screen 0 0, track 1 1024",
               "SELECT string_agg(concat_ws(' ', \"table\", rows_new, bytes), ', '"
               " ORDER BY \"table\") FROM backstitch.load_stat");
    assert_sql(f, "2",
               "SELECT rows_suppressed_integrations FROM backstitch.load_stat"
               " WHERE \"table\" = 'screen'");
    buf_release(&pages);
    buf_release(&tracks);
}

static void test_a_load_that_ends_early_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct load_sql values = load_of(f, 0, false);
    struct buf pages = { 0 };
    add_page(&pages, (struct page){ .id = "p1", .sequence = 1 });
    load_session_run(&f->a, &values, buf_cstr(&pages), "not a row\n");
    assert_string_equal(f->a.outcome.code, "22P04");
    assert_int_equal(f->a.outcome.copies, 2);
    assert_nothing_left(f);

    /* A connection that breaks in the middle is the same. */
    load_session_begin(&f->b, &values);
    assert_true(load_session_reach_copy(&f->b));
    load_session_copy(&f->b, buf_cstr(&pages));
    assert_true(load_session_reach_copy(&f->b));
    char kill[96];
    snprintf(kill, sizeof kill, "SELECT pg_terminate_backend(%d, %d)",
             load_session_backend(&f->b), WAIT_MS);
    assert_sql(f, "t", kill);
    assert_nothing_left(f);
    load_session_run(&f->a, &values, buf_cstr(&pages), "");
    assert_string_equal(f->a.outcome.code, "");
    assert_sql(f, "1", "SELECT count(*) FROM shop.page");
    buf_release(&pages);
}

/* ---- copies of an event ---- */

static const struct track copies[] = {
    { .id = "t1", .event = "second", .s = "x", .sequence = 20 },
    { .id = "t1", .event = "first", .n = "1", .sequence = 10 },
    { .id = "t1", .event = "third", .sequence = 30 },
    { .id = "t2", .event = "alone", .sequence = 25 },
};

static void test_copies_in_one_load(void **state)
{
    struct fixture *f = *state;
    load_tracks(f, false, copies, 4);
    assert_int_equal(f->a.outcome.counts[1].rows_new, 2);
    assert_sql(f, "first 1, alone",
               "SELECT string_agg(concat_ws(' ', event, properties__n), ', '"
               " ORDER BY message_id) FROM shop.track");
    assert_sql(
        f, "2",
        "SELECT rows_duplicate FROM backstitch.load_stat WHERE \"table\" = 'track'");
    run(f, "TRUNCATE shop.track");
    load_tracks(f, true, copies, 4);
    assert_sql(f, "third, alone",
               "SELECT string_agg(event, ', ' ORDER BY message_id) FROM shop.track");
}

static void test_copies_in_later_loads(void **state)
{
    struct fixture *f = *state;
    load_tracks(f, false, copies, 1); /* 20 */
    run(f, "UPDATE shop.track SET reviewed = true");
    char before[64];
    snprintf(before, sizeof before, "%s", ask_of(&f->eye, "SELECT ctid FROM shop.track"));
    load_tracks(f, false, copies + 2, 1); /* 30: cannot win, and does not touch the row */
    load_tracks(f, false, copies, 1);     /* the same again */
    assert_sql(f, before, "SELECT ctid FROM shop.track");
    load_tracks(f, false, copies + 1, 1); /* 10: the whole row is the older copy's */
    assert_int_equal(f->a.outcome.counts[1].rows_replaced, 1);
    assert_sql(
        f, "first 1 2 t",
        "SELECT concat_ws(' ', event, properties__n, properties__s, twice, reviewed)"
        " FROM shop.track");
    load_tracks(f, true, copies + 2, 1); /* 30, newest wins */
    assert_int_equal(f->a.outcome.counts[1].rows_replaced, 1);
    assert_sql(f, "third t",
               "SELECT concat_ws(' ', event, properties__n, reviewed)"
               " FROM shop.track");
}

/* Wider than a page by the planner's reckoning, and never analyzed. */
static void test_rows_of_a_wide_table_are_looked_up_by_their_key(void **state)
{
    enum { ROWS = 300 };
    struct fixture *f = *state;
    struct track tracks[ROWS];
    char ids[ROWS][16];
    run(f, "DO $$ BEGIN FOR i IN 1..400 LOOP"
           " EXECUTE format('ALTER TABLE shop.track ADD w%s text', i); END LOOP; END $$");
    read_fingerprint(f, "track", f->track_fingerprint, sizeof f->track_fingerprint);
    load_session_renew_staging(&f->a);
    for (int i = 0; i < ROWS; i++) {
        snprintf(ids[i], sizeof ids[i], "t%d", i);
        tracks[i] = (struct track){ .id = ids[i], .event = "x", .sequence = 1 };
    }
    load_tracks(f, false, tracks, ROWS);
    load_tracks(f, false, tracks, ROWS); /* copies: each finds the row that is there */
    assert_int_equal(f->a.outcome.counts[1].rows_new, 0);
    ask_of(&f->a.connection, "SELECT pg_stat_force_next_flush()");
    char read[64];
    snprintf(read, sizeof read, "%s",
             ask_of(&f->eye,
                    "SELECT idx_tup_fetch + seq_tup_read"
                    " FROM pg_stat_user_tables WHERE relid = 'shop.track'::regclass"));
    assert_in_range(strtoul(read, NULL, 10), ROWS, 3 * ROWS);
}

/* ---- deletions ---- */

static void test_deletion_requests_hold_for_older_events_only(void **state)
{
    /* The load's own request: user `gone`, at second 5. All were received by us at 10. */
    static const struct track events[] = {
        { .id = "t1",
          .user_id = "gone",
          .timestamp = "1970-01-01 00:00:04+00",
          .sequence = 1 },
        { .id = "t2",
          .user_id = "gone",
          .received_at = "1970-01-01 00:00:04+00",
          .sequence = 2 },
        { .id = "t3",
          .user_id = "gone",
          .timestamp = "1970-01-01 00:00:06+00",
          .sequence = 3 },
        { .id = "t4", .user_id = "gone", .sequence = 4 },
        { .id = "t5",
          .user_id = "here",
          .timestamp = "1970-01-01 00:00:04+00",
          .sequence = 5 },
        { .id = "t6", .timestamp = "1970-01-01 00:00:04+00", .sequence = 6 },
    };
    struct fixture *f = *state;
    load_tracks(f, false, events, sizeof events / sizeof events[0]);
    assert_int_equal(f->a.outcome.counts[1].rows_new, 4);
    assert_int_equal(f->a.outcome.counts[1].rows_suppressed, 2);
    assert_sql(f, "t3 t4 t5 t6",
               "SELECT string_agg(message_id, ' ' ORDER BY message_id) FROM shop.track");
    assert_sql(f, "0 2",
               "SELECT concat_ws(' ', rows_duplicate, rows_suppressed_deletion)"
               " FROM backstitch.load_stat WHERE \"table\" = 'track'");
}

static void test_a_deletion_of_a_long_user_id(void **state)
{
    struct fixture *f = *state;
    run(f,
        "INSERT INTO backstitch.deletion (message_id, \"schema\", user_id, requested_at)"
        " VALUES ('d2', 'shop', (SELECT string_agg(md5(i::text), '')"
        " FROM generate_series(1, 1000) i), now())");
    assert_sql(f, "32000", "SELECT max(length(user_id)) FROM backstitch.deletion");
}

/* ---- rejected events ---- */

static void test_a_rejected_event_is_one_row_with_its_attempts(void **state)
{
    struct fixture *f = *state;
    load_tracks(f, false, NULL, 0); /* the fixture's rejected event came twice */
    assert_sql(f, "9 track u1 2",
               "SELECT concat_ws(' ', kafka_offset, table_name, user_id, attempts)"
               " FROM shop._sdc_rejected");
    load_tracks(f, false, NULL, 0);
    assert_sql(f, "4", "SELECT attempts FROM shop._sdc_rejected");
    assert_sql(f, "4",
               "SELECT rejected FROM backstitch.ledger WHERE \"table\" = 'track'");
    assert_sql(f, "10 10",
               "SELECT concat_ws(' ', acknowledged, held) FROM backstitch.ledger"
               " WHERE \"table\" = 'group' AND unaccounted = 0");
}

/* ---- two loaders ---- */

static void wait_until_blocked(struct fixture *f, struct load_session *s)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT cardinality(pg_blocking_pids(%d)) > 0",
             load_session_backend(s));
    while (strcmp(ask_of(&f->eye, sql), "t") != 0) {
        assert_true(clock_mono_ms() < deadline);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
}

static void test_the_second_loader_waits_and_sees_the_first_ones_row(void **state)
{
    struct fixture *f = *state;
    load_tracks(f, false, NULL, 0); /* so that the deletion request is not waited for */
    struct load_sql first = load_of(f, 0, false), second = load_of(f, 1, false);
    struct buf older = { 0 }, newer = { 0 }, none = { 0 };
    add_page(&older, (struct page){ .id = "p1", .name = "older", .sequence = 1 });
    add_page(&newer, (struct page){ .id = "p1", .name = "newer", .sequence = 2 });

    load_session_begin(&f->a, &first);
    assert_true(load_session_reach_copy(&f->a));
    load_session_copy(&f->a, buf_cstr(&newer));
    assert_true(load_session_reach_copy(&f->a)); /* p1 is inserted, not committed */
    load_session_begin(&f->b, &second);
    assert_true(load_session_reach_copy(&f->b));
    load_session_copy(&f->b, buf_cstr(&older));
    wait_until_blocked(f, &f->b);
    load_session_copy(&f->a, buf_cstr(&none));
    assert_false(load_session_reach_copy(&f->a));
    while (load_session_reach_copy(&f->b)) {
        load_session_copy(&f->b, buf_cstr(&none));
    }
    assert_string_equal(f->a.outcome.code, "");
    assert_string_equal(f->b.outcome.code, "");
    assert_int_equal(f->b.outcome.counts[0].rows_replaced, 1);
    assert_sql(f, "1 older", "SELECT concat_ws(' ', count(*), max(name)) FROM shop.page");
    buf_release(&older);
    buf_release(&newer);
    buf_release(&none);
}

struct opposite {
    struct load_session *session;
    struct load_sql values;
    struct buf tracks;
};

static void *load_opposite(void *context)
{
    struct opposite *o = context;
    load_session_run(o->session, &o->values, "", buf_cstr(&o->tracks));
    return NULL;
}

static void fill_opposite(struct opposite *o, bool is_descending, int64_t sequence)
{
    buf_clear(&o->tracks);
    for (int i = 0; i < OPPOSITE_ROWS; i++) {
        char id[24];
        snprintf(id, sizeof id, "t%d", is_descending ? OPPOSITE_ROWS - 1 - i : i);
        add_track(&o->tracks, (struct track){ .id = id, .sequence = sequence });
    }
}

static void test_the_same_ids_in_opposite_orders_never_deadlock(void **state)
{
    struct fixture *f = *state;
    struct opposite loads[2] = { { .session = &f->a }, { .session = &f->b } };
    for (int round = 0; round < OPPOSITE_ROUNDS; round++) {
        pthread_t threads[2];
        for (unsigned i = 0; i < 2; i++) {
            loads[i].values = load_of(f, i, true);
            fill_opposite(&loads[i], i == 1, 2 * round + (int)i);
            assert_int_equal(pthread_create(&threads[i], NULL, load_opposite, &loads[i]),
                             0);
        }
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            assert_string_equal(loads[i].session->outcome.code, "");
            f->next[i]++;
        }
        char expected[64];
        snprintf(expected, sizeof expected, "%d %d", OPPOSITE_ROWS, 2 * round + 1);
        assert_sql(f, expected,
                   "SELECT concat_ws(' ', count(*), min(_sdc_sequence)) FROM shop.track");
    }
    buf_release(&loads[0].tracks);
    buf_release(&loads[1].tracks);
}

#define LOAD_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOAD_TEST(test_a_wrong_position_stops_it_before_the_first_copy),
        LOAD_TEST(test_a_changed_table_stops_it_before_the_first_copy),
        LOAD_TEST(test_a_load_is_one_transaction),
        LOAD_TEST(test_a_load_that_ends_early_leaves_nothing),
        LOAD_TEST(test_copies_in_one_load),
        LOAD_TEST(test_copies_in_later_loads),
        LOAD_TEST(test_rows_of_a_wide_table_are_looked_up_by_their_key),
        LOAD_TEST(test_deletion_requests_hold_for_older_events_only),
        LOAD_TEST(test_a_deletion_of_a_long_user_id),
        LOAD_TEST(test_a_rejected_event_is_one_row_with_its_attempts),
        LOAD_TEST(test_the_second_loader_waits_and_sees_the_first_ones_row),
        LOAD_TEST(test_the_same_ids_in_opposite_orders_never_deadlock),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}

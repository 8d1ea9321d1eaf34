/* The direct load beside others, on a real PostgreSQL: the same ids in two sessions,
 * deletions in every order, somebody who inserts between look-up and COPY, a client or a
 * server that stops in the middle; and random copies in random orders against a model. */
#include "tests/support/load_bed.h"
#include "tests/support/postgres_server.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <libpq-fe.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 3
#define WAIT_MS 20000

struct fixture {
    char url[320];
    struct connection eye;
    struct bed_loader a, b;
    /* What is done beside loader a, and at which of its steps. */
    enum direct_step step;
    const char *sql;
    void (*act)(struct fixture *f);
    struct direct_pause pause;
};

static void at_step(void *context, enum direct_step step)
{
    struct fixture *f = context;
    if (step == f->step) {
        f->act(f);
    }
}

static void run_sql(struct fixture *f)
{
    bed_run(&f->eye, f->sql);
}

static void open_bed(struct fixture *f, bool newest_wins)
{
    struct error err;
    snprintf(f->url, sizeof f->url, "%s", postgres_server_new_database());
    assert_true(connection_open(&f->eye, f->url, &err));
    bed_loader_open(&f->a, f->url, "a", newest_wins);
    bed_loader_open(&f->b, f->url, "b", newest_wins);
    f->pause = (struct direct_pause){ at_step, f };
    f->act = run_sql;
}

/* The same servers, database and sessions' settings, with nothing in them: making a
 * database takes longer than the tests do. */
static void begin_anew(struct fixture *f, bool newest_wins)
{
    bed_loader_close(&f->a);
    bed_loader_close(&f->b);
    bed_run(&f->eye,
            "DROP SCHEMA IF EXISTS shop CASCADE; DELETE FROM backstitch.deletion;"
            "DELETE FROM backstitch.load_offset; DELETE FROM backstitch.load_stat;"
            "DELETE FROM backstitch.schema_change");
    bed_loader_open(&f->a, f->url, "a", newest_wins);
    bed_loader_open(&f->b, f->url, "b", newest_wins);
}

static void close_bed(struct fixture *f)
{
    bed_loader_close(&f->a);
    bed_loader_close(&f->b);
    connection_close(&f->eye);
}

static int set_up(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof *f);
    open_bed(f, false);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    close_bed(*state);
    free(*state);
    return 0;
}

/* ---- somebody inserts between look-up and COPY ---- */

static void insert_between(struct fixture *f, bool newest_wins, int64_t theirs,
                           const char *winner)
{
    char sql[200];
    bool is_direct;
    begin_anew(f, newest_wins);
    bed_add_track(&f->b, "other", 1000, ",\"event\":\"e\"");
    bed_load_well(&f->b);
    snprintf(sql, sizeof sql,
             "INSERT INTO shop.track (message_id, event, _sdc_sequence) VALUES"
             " ('m', 'theirs', %lld)",
             (long long)theirs * 1000000);
    f->sql = sql;
    f->step = DIRECT_BEFORE_COPY;
    f->a.pause = &f->pause;
    bed_add_track(&f->a, "m", 2000, ",\"event\":\"ours\"");
    bed_add_track(&f->a, "n", 2000, ",\"event\":\"ours\"");
    bed_settle(&f->a);
    assert_true(bed_load(&f->a, &is_direct));
    assert_false(is_direct);
    bed_assert_sql(&f->eye, winner,
                   "SELECT string_agg(message_id || ':' || event, ' ' ORDER BY "
                   "message_id) FROM shop.track WHERE message_id <> 'other'");
}

static void
test_an_id_that_comes_after_the_lookup_is_left_to_the_staged_load(void **state)
{
    insert_between(*state, false, 1000, "m:theirs n:ours");
    insert_between(*state, false, 3000, "m:ours n:ours");
    insert_between(*state, true, 1000, "m:ours n:ours");
    insert_between(*state, true, 3000, "m:theirs n:ours");
}

/* ---- deletions ---- */

/* A request: what a delete notification becomes, loaded by another loader. */
#define REQUEST                                                                          \
    "INSERT INTO backstitch.deletion VALUES ('d', 'shop', 'gone', to_timestamp(5), "     \
    "NULL, NULL)"
/* As the erase command does: it waits for loads under way, then deletes what is there. */
#define ERASE                                                                            \
    "BEGIN; SELECT pg_advisory_xact_lock(backstitch.schema_lock(), hashtext('shop'));"   \
    "COMMIT; DELETE FROM shop.track WHERE user_id = 'gone' AND _sdc_received_at < "      \
    "to_timestamp(5)"

/* Steps of the load, and 3: when it is over. */
enum { AFTER = STEPS };

struct orders {
    struct fixture *f;
    int request_at, erase_at;
    PGconn *eraser;
};

static void do_at(struct orders *o, int step)
{
    if (step == o->request_at) {
        bed_run(&o->f->eye, REQUEST);
    }
    if (step == o->erase_at) { /* it may have to wait for us: not waited for here */
        assert_int_equal(PQsendQuery(o->eraser, ERASE), 1);
    }
}

static void orders_at_step(void *context, enum direct_step step)
{
    do_at(context, (int)step);
}

static void end_erase(struct orders *o)
{
    PGresult *r = NULL;
    while ((r = PQgetResult(o->eraser)) != NULL) {
        if (PQresultStatus(r) == PGRES_FATAL_ERROR) {
            fail_msg("%s", PQresultErrorMessage(r));
        }
        PQclear(r);
    }
}

/* A request at one step, an erase at the same or a later one: whatever the order, nothing
 * of the user from before the request is left, and what came after it is. */
static void try_order(struct fixture *f, int request_at, int erase_at, bool is_known)
{
    struct orders o = { f, request_at, erase_at, PQconnectdb(f->url) };
    struct direct_pause pause = { orders_at_step, &o };
    bool is_direct;
    begin_anew(f, false);
    if (is_known) { /* the schema has had a deletion: users are asked for */
        bed_run(&f->eye, "INSERT INTO backstitch.deletion VALUES ('d0', 'shop', 'x', "
                         "to_timestamp(5), NULL, NULL)");
    }
    bed_add_track(&f->a, "before", 1000, ",\"userId\":\"x1\"");
    bed_load_well(&f->a);
    f->a.pause = &pause;
    bed_add_track(&f->a, "old", 4000, ",\"userId\":\"gone\"");
    bed_add_track(&f->a, "new", 6000, ",\"userId\":\"gone\"");
    bed_add_track(&f->a, "stays", 4000, ",\"userId\":\"stays\"");
    bed_settle(&f->a);
    if (!bed_load(&f->a, &is_direct)) {
        fail_msg("%s %s", f->a.err.code, f->a.err.text);
    }
    assert_true(is_direct);
    do_at(&o, AFTER);
    end_erase(&o);
    const char *left = bed_ask(&f->eye, "SELECT string_agg(message_id, ' ' ORDER BY "
                                        "message_id) FROM shop.track");
    if (strcmp(left, "before new stays") != 0) {
        fail_msg("request at %d, erase at %d, known %d: %s", request_at, erase_at,
                 is_known, left);
    }
    PQfinish(o.eraser);
}

static void test_requests_loads_and_erases_in_every_order(void **state)
{
    for (int request_at = 0; request_at <= AFTER; request_at++) {
        for (int erase_at = request_at; erase_at <= AFTER; erase_at++) {
            try_order(*state, request_at, erase_at, false);
            try_order(*state, request_at, erase_at, true);
        }
    }
}

static void test_only_rows_of_deleted_users_are_staged(void **state)
{
    struct fixture *f = *state;
    bed_run(&f->eye, REQUEST);
    for (int round = 0; round < 2; round++) {
        char id[16];
        snprintf(id, sizeof id, "old%d", round);
        bed_add_track(&f->a, id, 4000, ",\"userId\":\"gone\"");
        snprintf(id, sizeof id, "new%d", round);
        bed_add_track(&f->a, id, 6000, ",\"userId\":\"gone\"");
        snprintf(id, sizeof id, "stays%d", round);
        bed_add_track(&f->a, id, 4000, ",\"userId\":\"stays\"");
        bed_load_well(&f->a);
        assert_int_equal(f->a.counts[0].rows_new, 2);
        assert_int_equal(f->a.counts[0].rows_suppressed, 1);
        /* The first time nobody knew that the schema has deletions. */
        bed_assert_sql(&f->a.connection, round == 0 ? "3" : "2",
                       "SELECT count(*) FROM pg_temp.staging_0");
    }
    bed_assert_sql(&f->eye, "2",
                   "SELECT sum(rows_suppressed_deletion) FROM backstitch.load_stat");
}

/* ---- the same ids in two sessions ---- */

#define RACE_ROUNDS 25
#define RACE_IDS 400
#define RACE_ROWS 150

struct racer {
    struct bed_loader *loader;
    bool replaces; /* copies differ, so that some beat what is there */
    uint64_t random;
    unsigned direct, staged;
    char unexpected[ERROR_CODE_BYTES]; /* an SQLSTATE that must not come */
};

static uint64_t next(uint64_t *random, uint64_t below)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*random >> 33) % below;
}

/* Each copy has a sequence of its own, and says which. */
static void add_copy(struct bed_loader *l, uint64_t id, uint64_t at)
{
    char name[24];
    char rest[48];
    snprintf(name, sizeof name, "m%llu", (unsigned long long)id);
    snprintf(rest, sizeof rest, ",\"event\":\"%llu\"", (unsigned long long)at);
    bed_add_track(l, name, 1000 + (int64_t)at, rest);
}

static bool load_once(struct racer *r)
{
    bool is_direct = false;
    bool is_loaded = bed_load(r->loader, &is_direct);
    r->direct += is_direct ? 1 : 0;
    r->staged += is_loaded && !is_direct ? 1 : 0;
    /* Another's same id at the same moment is expected. */
    if (!is_direct && strcmp(r->loader->err.code, "23505") != 0) {
        snprintf(r->unexpected, sizeof r->unexpected, "%s", r->loader->err.code);
    }
    return is_loaded;
}

/* What is staged beside direct rows may meet another's staged load, which takes all its
 * rows in one order, in the other order: then one of the two is ended and loads again. */
static bool is_deadlock(const struct racer *r)
{
    return r->replaces && strcmp(r->unexpected, "40P01") == 0;
}

static void *race(void *context)
{
    struct racer *r = context;
    for (int round = 0; round < RACE_ROUNDS && r->unexpected[0] == '\0'; round++) {
        for (int i = 0; i < RACE_ROWS; i++) {
            uint64_t id = next(&r->random, RACE_IDS);
            add_copy(r->loader, id, r->replaces ? next(&r->random, 1000000) : id);
        }
        bool is_loaded = load_once(r);
        while (!is_loaded && is_deadlock(r)) {
            is_loaded = load_once(r);
        }
        if (is_loaded && is_deadlock(r)) {
            r->unexpected[0] = '\0';
        }
    }
    return NULL;
}

static void run_race(struct fixture *f, bool replaces)
{
    bed_add_track(&f->a, "first", 1, ",\"event\":\"e\"");
    bed_load_well(&f->a);
    bed_add_track(&f->b, "first", 1, ",\"event\":\"e\"");
    bed_load_well(&f->b);
    struct racer racers[2] = {
        { .loader = &f->a, .random = 1, .replaces = replaces },
        { .loader = &f->b, .random = 2, .replaces = replaces },
    };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_string_equal(racers[i].unexpected, "");
        assert_true(racers[i].direct > 0);
        assert_true(racers[i].direct + racers[i].staged >= RACE_ROUNDS);
    }
    bed_assert_sql(&f->eye, "0",
                   "SELECT count(*) FROM (SELECT message_id FROM shop.track GROUP BY 1"
                   " HAVING count(*) > 1) t");
    bed_assert_sql(&f->eye, "0",
                   "SELECT count(*) FROM shop.track WHERE event <> 'e' AND "
                   "_sdc_sequence <> (event::bigint + 1000) * 1000000");
}

/* As two groups that load the same log at once. */
static void test_crossed_ids_never_deadlock_and_leave_one_row_each(void **state)
{
    run_race(*state, false);
}

static void test_crossed_ids_that_replace_rows_leave_one_row_each(void **state)
{
    run_race(*state, true);
}

/* ---- a model ---- */

#define MODEL_IDS 300
#define MODEL_BATCHES 40

static void assert_rows_are(struct fixture *f, const int64_t *best)
{
    struct buf expected = { 0 };
    for (int i = 0; i < MODEL_IDS; i++) {
        if (best[i] >= 0) {
            buf_printf(&expected, "%d:%lld ", i, (long long)best[i]);
        }
    }
    bed_assert_sql(&f->eye, buf_cstr(&expected),
                   "SELECT string_agg(substr(message_id, 2) || ':' || event || ' ', '' "
                   "ORDER BY substr(message_id, 2)::int) FROM shop.track");
    buf_release(&expected);
}

/* Batches of copies, by two loaders, straight or staged by chance: the copy that wins
 * must be there, whole, and all rows must be counted. */
static void try_model(struct fixture *f, bool newest_wins, uint64_t seed)
{
    int64_t best[MODEL_IDS];
    uint64_t total = 0;
    uint64_t random = seed;
    begin_anew(f, newest_wins);
    for (int i = 0; i < MODEL_IDS; i++) {
        best[i] = -1;
    }
    for (int batch = 0; batch < MODEL_BATCHES; batch++) {
        struct bed_loader *l = next(&random, 2) == 0 ? &f->a : &f->b;
        uint64_t rows = 1 + next(&random, 120);
        for (uint64_t i = 0; i < rows; i++) {
            uint64_t id = next(&random, MODEL_IDS);
            int64_t at = (int64_t)next(&random, 100000);
            bool wins = best[id] < 0 || (newest_wins ? at > best[id] : at < best[id]);
            best[id] = wins ? at : best[id];
            add_copy(l, id, (uint64_t)at);
        }
        total += rows;
        bed_settle(l);
        bool done = next(&random, 3) == 0 ? bed_load_staged(l)
                                          : bed_load_direct(l) == DIRECT_DONE;
        assert_true(done);
    }
    assert_rows_are(f, best);
    char counted[24];
    snprintf(counted, sizeof counted, "%llu", (unsigned long long)total);
    bed_assert_sql(&f->eye, counted,
                   "SELECT sum(rows_new + rows_replaced + rows_duplicate) FROM "
                   "backstitch.load_stat");
    bed_assert_sql(&f->eye, "t",
                   "SELECT sum(s.rows_new) = (SELECT count(*) FROM shop.track) FROM "
                   "backstitch.load_stat s");
}

static void test_random_copies_end_as_the_model_says(void **state)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        try_model(*state, false, seed);
        try_model(*state, true, seed);
    }
}

/* ---- somebody stops ---- */

static void end_session(struct fixture *f)
{
    bed_run(&f->eye, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                     "application_name = 'backstitch-loader' AND pid <> pg_backend_pid()"
                     " AND datname = current_database()");
}

/* As a client that is stopped: the server ends the session by its time-out. */
static void sleep_too_long(struct fixture *f)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    while (
        strcmp(bed_ask(&f->eye, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE "
                                "'idle in transaction%' AND datname = "
                                "current_database()"),
               "0") != 0) {
        assert_true(clock_mono_ms() < deadline);
    }
}

static void stop_at(struct fixture *f, enum direct_step step,
                    void (*act)(struct fixture *f), enum direct_outcome expected)
{
    begin_anew(f, false);
    bed_loader_close(&f->b);
    f->step = step;
    f->act = act;
    bed_run(&f->a.connection, "SET idle_in_transaction_session_timeout = '100ms'");
    bed_add_track(&f->a, "m", 1000, "");
    bed_settle(&f->a);
    f->a.pause = &f->pause;
    enum direct_outcome outcome = bed_load_direct(&f->a);
    assert_int_equal(outcome, expected);
    if (outcome == DIRECT_FAILED) {
        assert_int_equal(sink_failure_of(&f->a.err), SINK_RECONNECT);
        bed_assert_sql(&f->eye, "0", "SELECT count(*) FROM shop.track");
        bed_assert_sql(
            &f->eye, "0",
            "SELECT next_offset FROM backstitch.load_offset WHERE owner = 'a'");
    } else {
        bed_assert_sql(&f->eye, "1", "SELECT count(*) FROM shop.track");
    }
}

static void test_a_session_that_ends_at_any_step_leaves_nothing(void **state)
{
    for (int step = 0; step < STEPS; step++) {
        stop_at(*state, (enum direct_step)step, end_session, DIRECT_FAILED);
    }
}

/* Before the head there is no transaction; inside of the COPY the server waits for rows,
 * which is no idling. */
static void test_a_client_that_stops_before_its_last_step_is_ended(void **state)
{
    stop_at(*state, DIRECT_BEFORE_HEAD, sleep_too_long, DIRECT_DONE);
    stop_at(*state, DIRECT_BEFORE_TAIL, sleep_too_long, DIRECT_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_id_that_comes_after_the_lookup_is_left_to_the_staged_load),
        TEST(test_requests_loads_and_erases_in_every_order),
        TEST(test_only_rows_of_deleted_users_are_staged),
        TEST(test_crossed_ids_never_deadlock_and_leave_one_row_each),
        TEST(test_crossed_ids_that_replace_rows_leave_one_row_each),
        TEST(test_random_copies_end_as_the_model_says),
        TEST(test_a_session_that_ends_at_any_step_leaves_nothing),
        TEST(test_a_client_that_stops_before_its_last_step_is_ended),
    };
    postgres_server_start();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop();
    return failed;
}

/* The direct load on a real PostgreSQL: what goes straight in, what is dropped, what is
 * staged beside it, and that whatever else there is about a table is left to the staged
 * load. */
#include "tests/support/load_bed.h"
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

#define TABLE                                                                            \
    "CREATE TABLE shop.track (message_id text COLLATE \"C\" PRIMARY KEY, event text, "   \
    "_sdc_sequence bigint, _sdc_batched_at timestamptz, properties__n numeric"

struct fixture {
    struct connection eye;
    struct bed_loader a, b;
};

static int set_up(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof *f);
    struct error err;
    const char *url = postgres_server_new_database();
    assert_true(connection_open(&f->eye, url, &err));
    bed_loader_open(&f->a, url, "a", false);
    bed_loader_open(&f->b, url, "b", false);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bed_loader_close(&f->a);
    bed_loader_close(&f->b);
    connection_close(&f->eye);
    free(f);
    return 0;
}

/* Rows that were inserted and updated in the tables, and in staging tables. */
static void assert_counts(const struct bed_loader *l, size_t table, uint64_t rows_new,
                          uint64_t replaced, uint64_t duplicate)
{
    assert_int_equal(l->counts[table].rows_new, rows_new);
    assert_int_equal(l->counts[table].rows_replaced, replaced);
    assert_int_equal(l->counts[table].rows_duplicate, duplicate);
}

/* The number of a session's staging rows: what is staged stays there until the next time.
 */
static const char *staged_rows(struct bed_loader *l, unsigned number)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_temp.staging_%u", number);
    return bed_ask(&l->connection, sql);
}

/* ---- what goes where ---- */

static void test_new_rows_are_not_staged(void **state)
{
    struct fixture *f = *state;
    bed_add_track(&f->a, "b", 1000, ",\"event\":\"E\",\"properties\":{\"n\":1.50}");
    bed_add_track(&f->a, "a", 2000, ",\"timestamp\":\"2026-01-02T03:04:05.678901Z\"");
    bed_add(&f->a, &(struct bed_event){ "p", 3000, "", EVENT_PAGE, 0 });
    bed_load_well(&f->a);
    bed_assert_sql(&f->eye,
                   "a  2026-01-02 03:04:05.678901+00|b 1.50 1970-01-01 00:00:01+00",
                   "SELECT string_agg(concat_ws(' ', message_id, coalesce(properties__n::"
                   "text, ''), coalesce(\"timestamp\", _sdc_received_at)), '|' ORDER BY "
                   "message_id) FROM shop.track");
    bed_assert_sql(&f->eye, "1", "SELECT count(*) FROM shop.page");
    assert_string_equal(staged_rows(&f->a, 0), "0");
    bed_assert_sql(&f->eye, "t",
                   "SELECT bool_and(_sdc_batched_at BETWEEN now() - interval '1 minute'"
                   " AND now() AND _sdc_sequence = extract(epoch FROM _sdc_received_at)"
                   " * 1000000000) FROM shop.track");
    bed_assert_sql(&f->eye, "3",
                   "SELECT next_offset FROM backstitch.load_offset WHERE owner = 'a'");
    bed_assert_sql(&f->eye, "3 0 0",
                   "SELECT concat_ws(' ', sum(rows_new), sum(rows_replaced), "
                   "sum(rows_duplicate)) FROM backstitch.load_stat");
    bed_assert_sql(&f->eye, "t",
                   "SELECT bool_and(freshness_max > interval '50 years') FROM"
                   " backstitch.load_stat");
}

/* One id thrice in a batch, one that is there and newer, one that is there and older. */
static void test_only_what_replaces_a_row_is_staged(void **state)
{
    struct fixture *f = *state;
    bed_add_track(&f->a, "kept", 1000, ",\"event\":\"first\"");
    bed_add_track(&f->a, "replaced", 9000, ",\"event\":\"late\",\"userId\":\"u\"");
    bed_load_well(&f->a);
    bed_add_track(&f->a, "new", 5000, ",\"event\":\"third\"");
    bed_add_track(&f->a, "new", 4000, ",\"event\":\"second\"");
    bed_add_track(&f->a, "new", 3000, ",\"event\":\"first\"");
    bed_add_track(&f->a, "kept", 2000, ",\"event\":\"second\"");
    bed_add_track(&f->a, "replaced", 8000, ",\"event\":\"early\"");
    bed_add_track(&f->a, "replaced", 8500, ",\"event\":\"middle\"");
    bed_load_well(&f->a);
    assert_counts(&f->a, 0, 1, 1, 4);
    assert_string_equal(staged_rows(&f->a, 0), "2");
    bed_assert_sql(&f->eye, "kept:first new:first replaced:early",
                   "SELECT string_agg(message_id || ':' || event, ' ' ORDER BY "
                   "message_id) FROM shop.track");
    bed_assert_sql(
        &f->eye, "t",
        "SELECT user_id IS NULL FROM shop.track WHERE message_id = 'replaced'");
    bed_assert_sql(&f->eye, "3 1 4",
                   "SELECT concat_ws(' ', sum(rows_new), sum(rows_replaced), "
                   "sum(rows_duplicate)) FROM backstitch.load_stat");
}

/* 4 KB that compress: lz4 where the server knows it. */
static void test_long_values_are_compressed_by_lz4(void **state)
{
    struct fixture *f = *state;
    struct buf rest = { 0 };
    buf_add_cstr(&rest, ",\"properties\":{\"long\":\"");
    for (int i = 0; i < 400; i++) {
        buf_add_cstr(&rest, "0123456789");
    }
    buf_add_cstr(&rest, "\"}");
    bed_add_track(&f->a, "m", 1000, buf_cstr(&rest));
    bed_load_well(&f->a);
    bed_assert_sql(&f->eye, "t",
                   "SELECT pg_column_compression(properties__long) = CASE WHEN 'lz4' = "
                   "ANY (enumvals) THEN 'lz4' ELSE 'pglz' END FROM shop.track, "
                   "pg_settings WHERE name = 'default_toast_compression'");
    buf_release(&rest);
}

static void test_loading_all_again_writes_no_row(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        struct bed_loader *l = round == 0 ? &f->a : &f->b;
        for (int i = 0; i < 300; i++) {
            char id[16];
            snprintf(id, sizeof id, "m%d", i);
            bed_add_track(l, id, 1000 + i, ",\"event\":\"e\"");
        }
        bed_load_well(l);
        if (round == 0) {
            bed_run(&f->eye, "CREATE TABLE public.before AS SELECT message_id,"
                             " xmin::text AS x, ctid AS c FROM shop.track");
        }
    }
    assert_counts(&f->b, 0, 0, 0, 300);
    bed_assert_sql(&f->eye, "300",
                   "SELECT count(*) FROM shop.track t JOIN public.before b ON"
                   " b.message_id = t.message_id AND b.x = t.xmin::text AND b.c = "
                   "t.ctid AND t.xmax = 0");
}

static void test_rejected_events_and_several_tables_are_one_transaction(void **state)
{
    struct fixture *f = *state;
    for (unsigned type = 0; type < EVENT_DATA_TYPES; type++) {
        bed_add(&f->a, &(struct bed_event){ "m", 1000, "", (enum event_type)type, 0 });
    }
    bed_add(&f->a,
            &(struct bed_event){ "d", 1000, ",\"userId\":\"u\"", EVENT_DELETE, 0 });
    bed_settle(&f->a);
    assert_int_equal(bed_load_direct(&f->a), DIRECT_DONE);
    bed_assert_sql(&f->eye, "1",
                   "SELECT count(DISTINCT x) FROM (SELECT xmin::text AS x FROM shop.track"
                   " UNION ALL SELECT xmin::text FROM shop.group UNION ALL"
                   " SELECT xmin::text FROM backstitch.deletion UNION ALL"
                   " SELECT xmin::text FROM backstitch.load_offset WHERE owner = 'a') t");
    bed_assert_sql(&f->eye, "6", "SELECT sum(rows_new) FROM backstitch.load_stat");
}

/* ---- positions and tables that are not what was thought ---- */

static void assert_session_is_free(struct bed_loader *l)
{
    bed_assert_sql(&l->connection, "1", "SELECT 1");
    bed_run(&l->connection, "VACUUM backstitch.migration"); /* not inside a transaction */
}

static void test_a_position_that_is_not_ours_is_told(void **state)
{
    struct fixture *f = *state;
    bed_add_track(&f->a, "m", 1000, "");
    bed_settle(&f->a);
    bed_run(&f->eye, "UPDATE backstitch.load_offset SET next_offset = 7");
    assert_int_equal(bed_load_direct(&f->a), DIRECT_FAILED);
    assert_string_equal(f->a.err.code, "BS001");
    assert_session_is_free(&f->a);
    bed_assert_sql(&f->eye, "0", "SELECT count(*) FROM shop.track");
}

#define ADVANCE_HELD(from, to)                                                           \
    "SELECT backstitch.advance_held('g','c','t',0,'shop','track'," from "," to ",0)"

/* It moves the range's start, and only from where that is to where the range still is: a
 * database that went back to an older copy may have a shorter one. */
static void test_a_slice_is_part_of_its_range_or_fenced(void **state)
{
    static const char *const others[] = { ADVANCE_HELD("39", "44"),
                                          ADVANCE_HELD("40", "47") };
    struct fixture *f = *state;
    struct error err;
    bed_run(&f->eye, "INSERT INTO backstitch.held VALUES"
                     " ('g','c','t',0,'shop','track',40,46,'r','42501')");
    for (size_t i = 0; i < 2; i++) {
        assert_false(connection_run(&f->eye, others[i], "advancing", &err));
        assert_string_equal(err.code, "BS001");
        bed_assert_sql(&f->eye, "40", "SELECT from_offset FROM backstitch.held");
    }
    bed_run(&f->eye, ADVANCE_HELD("40", "44"));
    bed_assert_sql(&f->eye, "44", "SELECT from_offset FROM backstitch.held");
    bed_run(&f->eye, ADVANCE_HELD("44", "46"));
    bed_assert_sql(&f->eye, "0", "SELECT count(*) FROM backstitch.held");
}

/* Binary rows would be taken for something else: the check comes first. */
static void test_a_table_that_changed_is_told(void **state)
{
    static const char *const changes[] = {
        "ALTER TABLE shop.track ALTER properties__n TYPE bigint",
        "ALTER TABLE shop.track ALTER event TYPE varchar(3)",
        "ALTER TABLE shop.track DROP COLUMN event",
        "ALTER TABLE shop.track ADD COLUMN more text",
        "ALTER TABLE shop.track RENAME COLUMN event TO call",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        bed_run(&f->eye, "DROP SCHEMA IF EXISTS shop CASCADE");
        catalogue_clear(f->a.catalogue);
        bed_add_track(&f->a, "m", 1000, ",\"event\":\"E\",\"properties\":{\"n\":1}");
        bed_settle(&f->a);
        bed_run(&f->eye, changes[i]);
        assert_int_equal(bed_load_direct(&f->a), DIRECT_FAILED);
        assert_string_equal(f->a.err.code, "BS002");
        assert_session_is_free(&f->a);
        catalogue_clear(f->a.catalogue);
        batch_map(f->a.batch, &(struct batch_context){ .catalogue = f->a.catalogue,
                                                       .mapper = f->a.mapper,
                                                       .max_columns = 800 });
        bed_load_well(&f->a);
    }
}

/* ---- tables that humans made ---- */

/* Loads two events straight, or by staging where COPY is refused; the rows must be there
 * either way. */
static bool loads_straight(struct fixture *f, const char *sql)
{
    bool is_direct;
    bed_run(&f->eye, sql);
    bed_add_track(&f->a, "m1", 1000, ",\"event\":\"E\",\"properties\":{\"n\":1.5}");
    bed_add_track(&f->a, "m2", 1000, "");
    bed_settle(&f->a);
    if (!bed_load(&f->a, &is_direct)) {
        fail_msg("%s %s", f->a.err.code, f->a.err.text);
    }
    return is_direct;
}

static void test_a_partitioned_table_simply_loads(void **state)
{
    struct fixture *f = *state;
    assert_true(loads_straight(
        f, "CREATE SCHEMA shop;" TABLE ") PARTITION BY HASH (message_id);"
           "CREATE TABLE shop.p0 PARTITION OF shop.track FOR VALUES WITH (MODULUS 2, "
           "REMAINDER 0); CREATE TABLE shop.p1 PARTITION OF shop.track FOR VALUES WITH "
           "(MODULUS 2, REMAINDER 1)"));
    bed_assert_sql(&f->eye, "2", "SELECT count(*) FROM shop.track");
    bed_add_track(&f->a, "m1", 500, ",\"event\":\"earlier\"");
    bed_load_well(&f->a);
    bed_assert_sql(&f->eye, "earlier",
                   "SELECT event FROM shop.track WHERE message_id = 'm1'");
}

static void test_generated_identity_and_default_columns_fill_themselves(void **state)
{
    struct fixture *f = *state;
    assert_true(
        loads_straight(f, "CREATE SCHEMA shop;" TABLE
                          ", twice numeric GENERATED ALWAYS AS (properties__n * 2) STORED"
                          ", row_number int GENERATED ALWAYS AS IDENTITY"
                          ", reviewed boolean NOT NULL DEFAULT false)"));
    bed_assert_sql(&f->eye, "3.0 f",
                   "SELECT concat_ws(' ', twice, reviewed) FROM shop.track WHERE "
                   "message_id = 'm1'");
    bed_assert_sql(&f->eye, "2", "SELECT count(DISTINCT row_number) FROM shop.track");
}

static void test_limits_of_columns_hold(void **state)
{
    struct fixture *f = *state;
    bed_run(&f->eye,
            "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id varchar(40) PRIMARY "
            "KEY, event varchar(3), _sdc_sequence bigint, _sdc_batched_at timestamp, "
            "properties__n numeric(4,2), properties__i smallint, properties__d double "
            "precision, properties__t timestamp, properties__j json)");
    bed_add_track(&f->a, "fits", 1000,
                  ",\"event\":\"数量x\",\"properties\":{\"n\":12.34,\"i\":-32768,"
                  "\"d\":12.34,\"t\":\"2026-01-02T03:04:05Z\",\"j\":{\"a\":[1,2]}}");
    bed_add_track(&f->a, "does not", 1000,
                  ",\"event\":\"four\",\"properties\":{\"n\":123.4,\"i\":32768,"
                  "\"d\":12.340000000000000001,\"t\":\"then\"}");
    bed_load_well(&f->a);
    bed_assert_sql(&f->eye, "数量x 12.34 -32768 12.34 2026-01-02 03:04:05",
                   "SELECT concat_ws(' ', event, properties__n, properties__i,"
                   " properties__d, properties__t, event__st) FROM shop.track WHERE "
                   "message_id = 'fits'");
    bed_assert_sql(&f->eye, "four 123.4 32768 12.340000000000000001 then",
                   "SELECT concat_ws(' ', event, event__st, properties__n__st,"
                   " properties__i__st, properties__d__st, properties__t__st) FROM"
                   " shop.track WHERE message_id = 'does not'");
}

/* A trigger's own decision counts, and so does what it writes. */
static void test_triggers_fire_and_what_they_leave_out_is_not_new(void **state)
{
    struct fixture *f = *state;
    assert_true(loads_straight(
        f, "CREATE SCHEMA shop;" TABLE ");"
           "CREATE FUNCTION shop.part() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
           " IF NEW.message_id = 'm2' THEN RETURN NULL; END IF; NEW.event := 'changed';"
           " RETURN NEW; END $$; CREATE TRIGGER t BEFORE INSERT ON shop.track FOR EACH "
           "ROW EXECUTE FUNCTION shop.part()"));
    assert_counts(&f->a, 0, 1, 0, 1);
    bed_assert_sql(&f->eye, "m1 changed",
                   "SELECT string_agg(message_id || ' ' || event, ',') FROM shop.track");
}

/* COPY refuses row security; the loader's role must be one that it holds for. What was
 * refused once is not tried again with each batch. */
static void test_row_security_is_left_to_the_staged_load(void **state)
{
    struct fixture *f = *state;
    bool is_direct;
    bed_run(&f->eye,
            "CREATE ROLE backstitch_test_role; GRANT ALL ON ALL TABLES IN SCHEMA "
            "backstitch TO backstitch_test_role; GRANT ALL ON SCHEMA backstitch "
            "TO backstitch_test_role; CREATE SCHEMA shop AUTHORIZATION "
            "backstitch_test_role");
    bed_run(&f->a.connection, "SET ROLE backstitch_test_role");
    bed_add_track(&f->a, "m0", 1000, "");
    bed_load_well(&f->a);
    bed_run(&f->eye, "ALTER TABLE shop.track ENABLE ROW LEVEL SECURITY;"
                     "ALTER TABLE shop.track FORCE ROW LEVEL SECURITY;"
                     "CREATE POLICY every ON shop.track USING (true)");
    bed_add_track(&f->a, "m1", 1000, "");
    assert_true(bed_load(&f->a, &is_direct));
    assert_false(is_direct);
    bed_add_track(&f->a, "m2", 1000, "");
    assert_true(bed_load(&f->a, &is_direct));
    assert_true(is_direct); /* in one transaction, with its row staged */
    assert_string_equal(staged_rows(&f->a, 0), "1");
    bed_assert_sql(&f->eye, "3", "SELECT count(*) FROM shop.track");
    bed_run(&f->a.connection, "RESET ROLE");
    bed_run(&f->eye, "DROP OWNED BY backstitch_test_role CASCADE;"
                     "DROP ROLE backstitch_test_role");
}

/* An existing table whose sequence is no bigint: nothing to compare by. */
static void test_a_table_that_does_not_fit_is_staged_beside_one_that_does(void **state)
{
    struct fixture *f = *state;
    bed_run(&f->eye,
            "CREATE SCHEMA shop; CREATE TABLE shop.track (message_id text PRIMARY"
            " KEY, _sdc_sequence numeric)");
    bed_add_track(&f->a, "m", 1000, "");
    bed_add(&f->a, &(struct bed_event){ "p", 1000, "", EVENT_PAGE, 0 });
    bed_load_well(&f->a);
    bed_assert_sql(&f->eye, "m p",
                   "SELECT t.message_id || ' ' || p.message_id FROM shop.track t, "
                   "shop.page p");
    assert_int_equal(f->a.counts[0].rows_new + f->a.counts[1].rows_new, 2);
}

/* ---- rows ---- */

static void add_wide(struct bed_loader *l, const char *id, int columns, const char *value)
{
    struct buf rest = { 0 };
    buf_add_cstr(&rest, ",\"properties\":{");
    for (int i = 0; i < columns; i++) {
        buf_printf(&rest, "%s\"p%d\":%s", i == 0 ? "" : ",", i, value);
    }
    buf_add_char(&rest, '}');
    bed_add_track(l, id, 1000, buf_cstr(&rest));
    buf_release(&rest);
}

static void test_700_columns(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "w%d", i);
        add_wide(&f->a, id, 700, i % 2 == 0 ? "true" : "null");
    }
    bed_load_well(&f->a);
    bed_assert_sql(&f->eye, "25",
                   "SELECT count(*) FROM shop.track WHERE properties__p0 AND "
                   "properties__p699");
    bed_assert_sql(&f->eye, "25",
                   "SELECT count(*) FROM shop.track WHERE properties__p699 IS NULL");
}

/* 54000: the staged load will say the same, and what comes then is decided there. */
static void test_a_row_too_wide_for_a_page_is_rolled_back(void **state)
{
    struct fixture *f = *state;
    bed_add_track(&f->a, "good", 1000, "");
    add_wide(&f->a, "wide", 700, "\"0123456789ab\"");
    bed_settle(&f->a);
    assert_int_equal(bed_load_direct(&f->a), DIRECT_ROLLED_BACK);
    assert_string_equal(f->a.err.code, "54000");
    assert_session_is_free(&f->a);
    bed_assert_sql(&f->eye, "0", "SELECT count(*) FROM shop.track");
    bed_assert_sql(&f->eye, "0",
                   "SELECT next_offset FROM backstitch.load_offset WHERE owner = 'a'");
}

static void test_hostile_ids_are_found_again(void **state)
{
    static const char *const ids[] = { "'",       "\\\"", "{}",       ",",   "NULL", " ",
                                       "a,b",     "\\\\", "''",       "\\t", "$1",   "数",
                                       "\\u0001", "--",   "\\\\\\\"", "{a}" };
    enum { COUNT = sizeof ids / sizeof ids[0] };
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        struct bed_loader *l = round == 0 ? &f->a : &f->b;
        for (size_t i = 0; i < COUNT; i++) {
            bed_add_track(l, ids[i], 1000, ",\"userId\":\"it's {\\\"a\\\\b\\\"}\"");
        }
        bed_load_well(l);
        assert_counts(l, 0, round == 0 ? COUNT : 0, 0, round == 0 ? 0 : COUNT);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_rows_are_not_staged),
        TEST(test_only_what_replaces_a_row_is_staged),
        TEST(test_long_values_are_compressed_by_lz4),
        TEST(test_loading_all_again_writes_no_row),
        TEST(test_rejected_events_and_several_tables_are_one_transaction),
        TEST(test_a_position_that_is_not_ours_is_told),
        TEST(test_a_slice_is_part_of_its_range_or_fenced),
        TEST(test_a_table_that_changed_is_told),
        TEST(test_a_partitioned_table_simply_loads),
        TEST(test_generated_identity_and_default_columns_fill_themselves),
        TEST(test_limits_of_columns_hold),
        TEST(test_triggers_fire_and_what_they_leave_out_is_not_new),
        TEST(test_row_security_is_left_to_the_staged_load),
        TEST(test_a_table_that_does_not_fit_is_staged_beside_one_that_does),
        TEST(test_700_columns),
        TEST(test_a_row_too_wide_for_a_page_is_rolled_back),
        TEST(test_hostile_ids_are_found_again),
    };
    postgres_server_start();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop();
    return failed;
}

/* What the catalogue shows of a table that cannot be loaded, and that the advice for each
 * fault mends it; on a real PostgreSQL, since its catalogue is what is read. */
#include "loader/postgres/control_schema.h"
#include "loader/postgres/table_advice.h"
#include "loader/postgres/table_ddl.h"
#include "loader/postgres/table_reader.h"

#include "tests/support/contains.h"
#include "tests/support/postgres_server.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Tables under the names of the cases, of a schema that a role without other rights uses.
 */
static const char ground_sql[] =
    "DO $$ BEGIN CREATE ROLE backstitch_test_loader NOLOGIN;"
    " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"
    "CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO backstitch_test_loader;";

struct a_case {
    const char *name; /* of the table in the schema shop */
    const char *sql;  /* makes it */
    unsigned faults;  /* as a superuser sees it */
    const char
        *mend; /* what the advice says to run, or what it comes to; NULL: nothing */
};

static const struct a_case cases[] = {
    { "plain", "CREATE TABLE shop.plain (message_id text PRIMARY KEY)", 0, NULL },
    { "narrow", "CREATE TABLE shop.narrow (message_id varchar(36) UNIQUE)", 0, NULL },
    { "parted",
      "CREATE TABLE shop.parted (message_id text PRIMARY KEY) PARTITION BY HASH "
      "(message_id);"
      "CREATE TABLE shop.parted_0 PARTITION OF shop.parted FOR VALUES WITH (MODULUS 1, "
      "REMAINDER 0)",
      0, NULL },
    { "covering",
      "CREATE TABLE shop.covering (message_id text, x int);"
      "CREATE UNIQUE INDEX ON shop.covering (message_id) INCLUDE (x)",
      0, NULL },
    { "stitch",
      "CREATE TABLE shop.stitch (message_id text, _sdc_sequence bigint, _sdc_batched_at "
      "timestamptz)",
      TABLE_HAS_NO_KEY,
      "CREATE UNIQUE INDEX CONCURRENTLY ON shop.stitch (message_id COLLATE \"C\")" },
    { "several",
      "CREATE TABLE shop.several (message_id text, x int, PRIMARY KEY (message_id, x))",
      TABLE_HAS_NO_KEY, NULL },
    { "partial",
      "CREATE TABLE shop.partial (message_id text);"
      "CREATE UNIQUE INDEX ON shop.partial (message_id) WHERE message_id <> ''",
      TABLE_HAS_NO_KEY, NULL },
    { "deferred", "CREATE TABLE shop.deferred (message_id text UNIQUE DEFERRABLE)",
      TABLE_HAS_NO_KEY, NULL },
    { "expression",
      "CREATE TABLE shop.expression (message_id text);"
      "CREATE UNIQUE INDEX ON shop.expression (lower(message_id))",
      TABLE_HAS_NO_KEY, NULL },
    { "uuid", "CREATE TABLE shop.uuid (message_id uuid PRIMARY KEY)", TABLE_HAS_NO_ID,
      "ALTER TABLE shop.uuid ALTER COLUMN message_id TYPE text" },
    { "group", "CREATE TABLE shop.\"group\" (id serial PRIMARY KEY, title text)",
      TABLE_HAS_NO_ID | TABLE_HAS_NO_KEY, NULL },
    { "nothing", "CREATE TABLE shop.nothing ()", TABLE_HAS_NO_ID | TABLE_HAS_NO_KEY,
      NULL },
    { "view", "CREATE VIEW shop.view AS SELECT 'm'::text AS message_id",
      TABLE_IS_NO_TABLE, "ALTER VIEW shop.view RENAME TO old_view" },
    { "materialized",
      "CREATE MATERIALIZED VIEW shop.materialized AS SELECT 'm'::text AS message_id",
      TABLE_IS_NO_TABLE, NULL },
    { "ruled",
      "CREATE TABLE shop.ruled (message_id text PRIMARY KEY);"
      "CREATE RULE r AS ON INSERT TO shop.ruled DO ALSO NOTHING",
      TABLE_HAS_RULES, "DROP RULE r ON shop.ruled" },
    { "texts",
      "CREATE TABLE shop.texts (message_id text PRIMARY KEY, _sdc_sequence text)",
      TABLE_HAS_ODD_COLUMNS,
      "ALTER TABLE shop.texts ALTER COLUMN _sdc_sequence TYPE bigint USING "
      "_sdc_sequence::bigint" },
    { "batched",
      "CREATE TABLE shop.batched (message_id text PRIMARY KEY, _sdc_batched_at text)",
      TABLE_HAS_ODD_COLUMNS,
      "ALTER TABLE shop.batched ALTER COLUMN _sdc_batched_at TYPE timestamptz USING "
      "_sdc_batched_at::text::timestamptz" },
    { "absent", "SELECT 1", 0, NULL },
};

static struct connection eye;

static void run(const char *sql)
{
    struct error err;
    if (!connection_run(&eye, sql, "test", &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
}

static struct table *look(const char *name)
{
    struct table *t = NULL;
    struct error err;
    if (!table_reader_look(&eye, "shop", name, &t, &err)) {
        fail_msg("%s: %s %s", name, err.code, err.text);
    }
    return t;
}

static void assert_faults(const char *name, unsigned expected)
{
    struct table *t = look(name);
    if (table_faults(t) != expected) {
        fail_msg("%s: faults %x, expected %x", name, table_faults(t), expected);
    }
    table_unref(t);
}

static void test_faults_are_seen_and_their_mend_ends_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct a_case *c = &cases[i];
        run(c->sql);
        assert_faults(c->name, c->faults);
        if (c->mend != NULL) {
            run(c->mend);
            assert_faults(c->name, 0);
        }
    }
}

static void test_a_relation_that_is_no_table_exists(void **state)
{
    (void)state;
    struct table *t = look("materialized");
    assert_true(table_exists(t));
    table_unref(t);
    t = look("absent");
    assert_false(table_exists(t));
    table_unref(t);
}

/* Each right alone, as a role that has only what was granted. */
static void test_a_missing_right_is_seen_by_its_name(void **state)
{
    static const struct {
        const char *mend;
        unsigned left;
    } steps[] = {
        { "SELECT 1", TABLE_REFUSES_SELECT | TABLE_REFUSES_INSERT | TABLE_REFUSES_UPDATE |
                          TABLE_REFUSES_ALTER },
        { "GRANT SELECT ON shop.plain TO backstitch_test_loader",
          TABLE_REFUSES_INSERT | TABLE_REFUSES_UPDATE | TABLE_REFUSES_ALTER },
        { "GRANT INSERT ON shop.plain TO backstitch_test_loader",
          TABLE_REFUSES_UPDATE | TABLE_REFUSES_ALTER },
        { "GRANT UPDATE ON shop.plain TO backstitch_test_loader", TABLE_REFUSES_ALTER },
        { "ALTER TABLE shop.plain OWNER TO backstitch_test_loader", 0 },
        { "ALTER TABLE shop.plain OWNER TO CURRENT_USER; ALTER TABLE shop.plain ENABLE "
          "ROW "
          "LEVEL SECURITY; GRANT SELECT, INSERT, UPDATE ON shop.plain TO "
          "backstitch_test_loader",
          TABLE_HAS_ROW_SECURITY | TABLE_REFUSES_ALTER },
        { "ALTER TABLE shop.plain OWNER TO backstitch_test_loader", 0 },
        { "REVOKE USAGE ON SCHEMA shop FROM backstitch_test_loader",
          TABLE_SCHEMA_IS_CLOSED },
    };
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        run(steps[i].mend);
        run("SET ROLE backstitch_test_loader");
        assert_faults("plain", steps[i].left);
        run("RESET ROLE");
    }
}

static void test_advice_names_the_table_and_the_statement(void **state)
{
    (void)state;
    run("CREATE TABLE shop.\"o\"\"dd\" (message_id text)");
    struct table *t = look("o\"dd");
    struct buf text = { 0 };
    assert_int_equal(table_advice_first(t, TABLE_OBSTACLES), TABLE_HAS_NO_KEY);
    table_advice_add(&text, t, TABLE_HAS_NO_KEY, "loader");
    assert_contains(
        buf_cstr(&text),
        "CREATE UNIQUE INDEX CONCURRENTLY ON \"shop\".\"o\"\"dd\" (message_id COLLATE "
        "\"C\")");
    assert_string_equal(table_advice_word(TABLE_HAS_NO_KEY), "no unique key");
    buf_release(&text);
    table_unref(t);
}

/* A table of somebody else's under one of our names stays as it is. */
static void test_a_table_that_cannot_be_loaded_is_not_altered(void **state)
{
    (void)state;
    struct table_ddl_options options = { NULL, 100 };
    struct error err;
    struct table *base = NULL;
    struct table *out = NULL;
    assert_true(
        table_reader_read(&eye, view_cstr("shop"), view_cstr("group"), 100, &base, &err));
    struct table_plan *plan = table_plan_new(base, 800);
    table_plan_add(plan, view_cstr("traits__x"), COLUMN_TEXT, COLUMN_NATURAL,
                   view_cstr("traits.x"));
    assert_false(table_ddl_extend(&eye, plan, &options, &out, &err));
    assert_string_equal(err.code, TABLE_DDL_REFUSED);
    assert_contains(err.text, "\"shop\".\"group\" has no column message_id");
    struct table *after = look("group");
    assert_int_equal(table_column_count(after), 2);
    table_unref(after);
    table_plan_free(plan);
    table_unref(base);
}

/* A key that goes while batches are mapped for the table is noticed like a column. */
static void test_the_fingerprint_covers_the_key(void **state)
{
    (void)state;
    struct table *before = NULL;
    struct table *after = NULL;
    struct error err;
    struct view schema = view_cstr("shop");
    struct view name = view_cstr("covering");
    assert_true(table_reader_read(&eye, schema, name, 100, &before, &err));
    run("DROP INDEX shop.covering_message_id_x_idx");
    assert_true(table_reader_read(&eye, schema, name, 100, &after, &err));
    assert_false(view_equal(table_fingerprint(before), table_fingerprint(after)));
    table_unref(before);
    table_unref(after);
}

static int set_up(void **state)
{
    (void)state;
    struct error err;
    postgres_server_start();
    if (!connection_open(&eye, postgres_server_new_database(), &err) ||
        !control_schema_migrate(&eye, &err) ||
        !connection_run(&eye, ground_sql, "preparing", &err)) {
        fail_msg("%s %s", err.code, err.text);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct error ignored; /* a server of somebody else's keeps no role of ours */
    (void)!connection_run(&eye,
                          "DROP OWNED BY backstitch_test_loader CASCADE;"
                          "DROP ROLE backstitch_test_loader",
                          "", &ignored);
    connection_close(&eye);
    postgres_server_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_seen_and_their_mend_ends_them),
        cmocka_unit_test(test_a_relation_that_is_no_table_exists),
        cmocka_unit_test(test_advice_names_the_table_and_the_statement),
        cmocka_unit_test(test_a_table_that_cannot_be_loaded_is_not_altered),
        cmocka_unit_test(test_the_fingerprint_covers_the_key),
        cmocka_unit_test(test_a_missing_right_is_seen_by_its_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

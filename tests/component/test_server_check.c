/* Servers, and ways to them, with which loading cannot work: refused with words. Behind
 * the real PgBouncer, in each of its modes. */
#include "loader/postgres/server_check.h"

#include "tests/support/contains.h"
#include "tests/support/pgbouncer_server.h"
#include "tests/support/postgres_server.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char url[320]; /* of an empty database */

static void open_at(struct connection *c, const char *where)
{
    struct error err;
    *c = (struct connection){ .pg = NULL };
    if (!connection_open(c, where, &err)) {
        fail_msg("%s: %s %s", where, err.code, err.text);
    }
}

static void run(struct connection *c, const char *sql)
{
    struct error err;
    if (!connection_run(c, sql, "test", &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
}

static void assert_setting(struct connection *c, const char *name, const char *expected)
{
    const char *const values[] = { name };
    struct pg_result *r = NULL;
    struct error err;
    assert_true(connection_query(c, "SELECT current_setting($1)", 1, values, &r, &err));
    assert_true(view_equal_cstr(connection_field(r, 0, 0), expected));
    connection_free(r);
}

static void test_a_plain_server_passes(void **state)
{
    (void)state;
    struct connection c;
    struct error err = { .text = "" };
    open_at(&c, url);
    if (!server_check(&c, url, NULL, &err)) {
        fail_msg("%s %s", err.code, err.text);
    }
    connection_close(&c);
}

static void test_another_encoding_is_refused(void **state)
{
    static const char *const encodings[] = { "LATIN1", "SQL_ASCII" };
    (void)state;
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        struct connection c;
        struct error err;
        char sql[200];
        char other[320];
        snprintf(other, sizeof other, "%s", postgres_server_new_database());
        const char *name = strrchr(other, '/') + 1;
        open_at(&c, url);
        snprintf(sql, sizeof sql, "DROP DATABASE %s", name);
        run(&c, sql);
        snprintf(sql, sizeof sql,
                 "CREATE DATABASE %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE "
                 "template0",
                 name, encodings[i]);
        run(&c, sql);
        connection_close(&c);
        open_at(&c, other);
        assert_false(server_check(&c, other, NULL, &err));
        assert_string_equal(err.code, SERVER_CHECK_REFUSED);
        assert_contains(err.text, encodings[i]);
        assert_contains(err.text, "ENCODING 'UTF8'");
        connection_close(&c);
    }
}

static void test_a_pooler_is_found_by_what_it_does(void **state)
{
    static const struct {
        const char *mode;
        bool is_fine;
    } modes[] = {
        { "session", true },
        { "transaction", false },
        { "statement", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct connection c;
        struct error err = { .text = "" };
        char pooled[320];
        pgbouncer_server_start(url, modes[i].mode, pooled, sizeof pooled);
        open_at(&c, pooled);
        bool is_fine = server_check(&c, pooled, NULL, &err);
        if (is_fine != modes[i].is_fine) {
            fail_msg("pool_mode %s: %s", modes[i].mode, err.text);
        }
        if (!is_fine) {
            assert_string_equal(err.code, SERVER_CHECK_REFUSED);
            assert_contains(err.text, "pool_mode session");
        }
        connection_close(&c);
        pgbouncer_server_stop();
    }
}

static void test_misspelt_roles_are_all_named(void **state)
{
    static const char *const roles[] = { "pg_monitor", "no_such_one", "nor_this", NULL };
    (void)state;
    struct connection c;
    struct error err;
    open_at(&c, url);
    assert_false(server_check_roles(&c, roles, &err));
    assert_string_equal(err.code, SERVER_CHECK_REFUSED);
    assert_contains(err.text, "'no_such_one', 'nor_this'");
    assert_null(strstr(err.text, "pg_monitor"));
    connection_close(&c);
}

/* A role's own settings do not reach a session of ours. */
static void test_the_isolation_is_pinned(void **state)
{
    (void)state;
    struct connection c;
    char sql[400];
    open_at(&c, url);
    snprintf(sql, sizeof sql,
             "ALTER DATABASE %s SET default_transaction_isolation = 'serializable'",
             strrchr(url, '/') + 1);
    run(&c, sql);
    connection_close(&c);
    open_at(&c, url);
    assert_setting(&c, "transaction_isolation", "read committed");
    connection_close(&c);
}

static int set_up(void **state)
{
    (void)state;
    postgres_server_start();
    snprintf(url, sizeof url, "%s", postgres_server_new_database());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pgbouncer_server_stop();
    postgres_server_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_server_passes),
        cmocka_unit_test(test_another_encoding_is_refused),
        cmocka_unit_test(test_a_pooler_is_found_by_what_it_does),
        cmocka_unit_test(test_misspelt_roles_are_all_named),
        cmocka_unit_test(test_the_isolation_is_pinned),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* The loader's configuration: what is refused before anything connects, and that a
 * refusal shows no password. */
#include "loader/commands/options.h"

#include "tests/support/contains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the check says of a prefix and a URL. */
static void check(const char *prefix, const char *database_url, struct buf *out_mistakes)
{
    char *own_prefix = strdup(prefix);
    char *own_url = database_url == NULL ? NULL : strdup(database_url);
    struct loader_options o = { .topic_prefix = own_prefix, .database_url = own_url };
    loader_options_check(&o, out_mistakes);
    free(own_prefix);
    free(own_url);
}

static void test_connection_strings_that_libpq_reads_are_taken(void **state)
{
    (void)state;
    static const char *const urls[] = {
        NULL,
        "postgresql://127.0.0.1:5432/events",
        "postgres://user:a%2Fb%40c%3Fd@db.example.org/events?sslmode=verify-full",
        "postgresql:///events?host=/var/run/postgresql",
        "postgresql://user:a?b#c@host/events@2026",
        "postgresql://a:5432,b:5433/events",
        "postgresql://[::1]:5432/events",
        "host=/var/run/postgresql dbname=events user=loader",
        "",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct buf mistakes = { 0 };
        check("segment", urls[i], &mistakes);
        assert_string_equal(buf_cstr(&mistakes), "");
        buf_release(&mistakes);
    }
}

static void test_a_connection_string_is_refused_without_showing_it(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "postgres://user:s3cret@[::1/events",    /* a bracket is missing */
        "postgres://user:s3cret%@host/events",   /* a bare percent sign */
        "postgres://user:12/s3cret@host/events", /* the password ends at its '/' */
        "postgres://user:a/s3cret@host/events",
        "postgres://user:a@s3cret@host/events",   /* .. at its '@' */
        "postgres://user:s3cret@host/events?x=1", /* no such parameter */
        "mysql://user:s3cret@host/events",
        "host=db password=s3cret x=1",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct buf mistakes = { 0 };
        check("segment", urls[i], &mistakes);
        assert_contains(buf_cstr(&mistakes), "DATABASE_URL: ");
        assert_contains(buf_cstr(&mistakes),
                        "use postgresql://USER:PASSWORD@HOST:PORT/DATABASE, in which %40 "
                        "stands for '@'");
        assert_null(strstr(buf_cstr(&mistakes), "s3cret"));
        buf_release(&mistakes);
    }
}

static void test_all_that_is_wrong_is_told(void **state)
{
    (void)state;
    struct buf mistakes = { 0 };
    check("no/topic", "nonsense", &mistakes);
    assert_contains(buf_cstr(&mistakes), "KAFKA_TOPIC_PREFIX: 'no/topic'");
    assert_contains(buf_cstr(&mistakes), "DATABASE_URL: ");
    buf_release(&mistakes);
}

static void test_a_list_is_split_at_commas(void **state)
{
    (void)state;
    char **list = loader_options_list(" a, b c ,,d");
    assert_string_equal(list[0], "a");
    assert_string_equal(list[1], "b c");
    assert_string_equal(list[2], "d");
    assert_null(list[3]);
    loader_options_free_list(list);
    list = loader_options_list(NULL);
    assert_null(list[0]);
    loader_options_free_list(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_strings_that_libpq_reads_are_taken),
        cmocka_unit_test(test_a_connection_string_is_refused_without_showing_it),
        cmocka_unit_test(test_all_that_is_wrong_is_told),
        cmocka_unit_test(test_a_list_is_split_at_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

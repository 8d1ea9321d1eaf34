/* "Did you mean": near names are found, far ones are not offered. */
#include "common/service/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const known[] = { "kafka-brokers", "log-level", "listen",
                                     "admin-listen" };

static void test_the_nearest_name_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *typed;
        const char *meant; /* "": none is near enough */
    } cases[] = {
        { "kafka-broker", "kafka-brokers" },
        { "kafak-brokers", "kafka-brokers" },
        { "loglevel", "log-level" },
        { "lisen", "listen" },
        { "admin-lissten", "admin-listen" },
        { "listen", "listen" },
        { "frobnicate", "" },
        { "x", "" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nearest n;
        nearest_init(&n, cases[i].typed);
        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++) {
            nearest_offer(&n, known[j]);
        }
        assert_string_equal(n.name, cases[i].meant);
    }
}

static void test_overlong_names_are_left_out(void **state)
{
    (void)state;
    char longest[NEAREST_NAME_BYTES + 1];
    memset(longest, 'a', NEAREST_NAME_BYTES);
    longest[NEAREST_NAME_BYTES] = '\0';
    struct nearest n;
    nearest_init(&n, longest);
    nearest_offer(&n, longest + 1);
    assert_string_equal(n.name, "");
    nearest_init(&n, longest + 1);
    nearest_offer(&n, longest);
    assert_string_equal(n.name, "");
    nearest_offer(&n, longest + 1);
    assert_string_equal(n.name, longest + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_nearest_name_is_found),
        cmocka_unit_test(test_overlong_names_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Whose word on the sender's address is believed. */
#include "ingest/request/proxies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_lists_are_read_strictly(void **state)
{
    static const struct {
        const char *list;
        bool is_valid;
    } rows[] = {
        { NULL, true },
        { "10.0.0.0/8", true },
        { "10.0.0.0/8, 192.168.1.7", true },
        { "0.0.0.0/0", true },
        { "10.0.0.0/33", false },
        { "10.0.0.0/", false },
        { "10.0.0.0/-1", false },
        { "10.0.0", false },
        { "10.0.0.0.0", false },
        { "localhost", false },
        { "10.0.0.1,,10.0.0.2", false },
        { ",", false },
        { "::1", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct proxies p;
        struct error err;
        assert_int_equal(proxies_parse(rows[i].list, &p, &err), rows[i].is_valid);
    }
}

static void test_the_sender_is_the_last_that_no_trusted_proxy_has(void **state)
{
    static const struct {
        const char *peer, *forwarded, *sender;
    } rows[] = {
        { "8.8.8.8", "", "8.8.8.8" },
        { "8.8.8.8", "1.2.3.4", "8.8.8.8" }, /* not a proxy of ours */
        { "10.1.2.3", "", "10.1.2.3" },
        { "10.1.2.3", "1.2.3.4", "1.2.3.4" },
        { "10.1.2.3", "6.6.6.6, 1.2.3.4", "1.2.3.4" }, /* the first may be forged */
        { "10.1.2.3", "1.2.3.4, 192.168.1.7", "1.2.3.4" },
        { "10.1.2.3", "1.2.3.4,10.9.9.9 , 192.168.1.7", "1.2.3.4" },
        { "10.1.2.3", "10.9.9.9", "10.9.9.9" },
        { "10.1.2.3", "2001:db8::1", "2001:db8::1" },
        { "10.1.2.3", "nonsense", "10.1.2.3" },
        { "10.1.2.3", "1.2.3.4, unknown", "10.1.2.3" },
        { "10.1.2.3", "\"; drop", "10.1.2.3" },
    };
    struct proxies p;
    struct error err;
    (void)state;
    assert_true(proxies_parse("10.0.0.0/8,192.168.1.7", &p, &err));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct view sender =
            proxies_sender(&p, view_cstr(rows[i].peer), view_cstr(rows[i].forwarded));
        assert_true(view_equal_cstr(sender, rows[i].sender));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_read_strictly),
        cmocka_unit_test(test_the_sender_is_the_last_that_no_trusted_proxy_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

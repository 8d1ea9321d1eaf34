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
        { "::1", true },
        { "2001:db8::/32, ::ffff:10.0.0.0/8,fe80::1", true },
        { "2001:db8::/129", false },
        { "2001:db8::/", false },
        { "2001:db8:::/32", false },
        { "[::1]", false },
        { "10.0.0.1:80", false },
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
        const char *peer;
        const char *lines[3];
        const char *sender;
    } rows[] = {
        { "8.8.8.8", { NULL }, "8.8.8.8" },
        { "8.8.8.8", { "1.2.3.4" }, "8.8.8.8" }, /* not a proxy of ours */
        { "10.1.2.3", { NULL }, "10.1.2.3" },
        { "10.1.2.3", { "" }, "10.1.2.3" },
        { "10.1.2.3", { "1.2.3.4" }, "1.2.3.4" },
        { "10.1.2.3", { "6.6.6.6, 1.2.3.4" }, "1.2.3.4" }, /* the first may be forged */
        { "10.1.2.3", { "1.2.3.4, 192.168.1.7" }, "1.2.3.4" },
        { "10.1.2.3", { "1.2.3.4,10.9.9.9 , 192.168.1.7" }, "1.2.3.4" },
        { "10.1.2.3", { "10.9.9.9" }, "10.9.9.9" },
        { "10.1.2.3", { "2001:db8::1" }, "2001:db8::1" },
        { "10.1.2.3", { "nonsense" }, "10.1.2.3" },
        { "10.1.2.3", { "1.2.3.4, unknown" }, "10.1.2.3" },
        { "10.1.2.3", { "\"; drop" }, "10.1.2.3" },
        { "10.1.2.3", { "1.2.3.4," }, "10.1.2.3" },
        /* A proxy of ours added a line below the one the client sent. */
        { "10.1.2.3", { "6.6.6.6", "1.2.3.4" }, "1.2.3.4" },
        { "10.1.2.3", { "6.6.6.6", "1.2.3.4, 10.9.9.9" }, "1.2.3.4" },
        { "10.1.2.3", { "6.6.6.6", "1.2.3.4", "10.9.9.9" }, "1.2.3.4" },
        { "10.1.2.3", { "1.2.3.4", "", "10.9.9.9" }, "1.2.3.4" },
        { "10.1.2.3", { "1.2.3.4", "unknown", "10.9.9.9" }, "10.9.9.9" },
        /* Ports, as some load balancers write them. */
        { "10.1.2.3", { "203.0.113.9:54321" }, "203.0.113.9" },
        { "10.1.2.3", { "203.0.113.9:1, 10.9.9.9:2" }, "203.0.113.9" },
        { "10.1.2.3", { "[2001:db8::7]:443" }, "2001:db8::7" },
        { "10.1.2.3", { "[2001:db8::7]" }, "2001:db8::7" },
        { "10.1.2.3", { "[2001:db8::7" }, "10.1.2.3" },
        { "10.1.2.3", { ":80" }, "10.1.2.3" },
        /* Proxies of either family. */
        { "fd00::5", { "2001:db8::7" }, "2001:db8::7" },
        { "fd00::5", { "1.2.3.4, fd12:3456::1" }, "1.2.3.4" },
        { "fe00::5", { "1.2.3.4" }, "fe00::5" },
        { "fd00:0:0::5", { "1.2.3.4" }, "1.2.3.4" },
        { "::ffff:10.1.2.3", { "1.2.3.4" }, "1.2.3.4" },
        { "::FFFF:10.1.2.3", { NULL }, "10.1.2.3" },
        { "10.1.2.3", { "1.2.3.4, ::ffff:10.9.9.9" }, "1.2.3.4" },
        { "not an address", { "1.2.3.4" }, "not an address" },
    };
    struct proxies p;
    struct error err;
    (void)state;
    assert_true(proxies_parse("10.0.0.0/8,192.168.1.7,fc00::/7", &p, &err));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct view lines[3];
        size_t count = 0;
        while (count < 3 && rows[i].lines[count] != NULL) {
            lines[count] = view_cstr(rows[i].lines[count]);
            count++;
        }
        struct view sender = proxies_sender(&p, view_cstr(rows[i].peer), lines, count);
        if (!view_equal_cstr(sender, rows[i].sender)) {
            fail_msg("row %zu: %.*s, not %s", i, VIEW_ARG(sender), rows[i].sender);
        }
    }
}

static void test_networks_are_compared_bit_by_bit(void **state)
{
    static const struct {
        const char *network, *inside, *outside;
    } rows[] = {
        { "10.0.0.0/9", "10.127.255.255", "10.128.0.0" },
        { "10.1.2.4/30", "10.1.2.7", "10.1.2.8" },
        { "10.1.2.4", "10.1.2.4", "10.1.2.5" },
        { "2001:db8:8000::/33", "2001:db8:ffff::1", "2001:db8:7fff::1" },
        { "2001:db8::7", "2001:db8::7", "2001:db8::8" },
        { "0.0.0.0/0", "255.255.255.255", "2001:db8::7" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct proxies p;
        struct error err;
        struct view line = view_cstr("203.0.113.9");
        assert_true(proxies_parse(rows[i].network, &p, &err));
        assert_true(view_equal_cstr(
            proxies_sender(&p, view_cstr(rows[i].inside), &line, 1), "203.0.113.9"));
        assert_true(view_equal_cstr(
            proxies_sender(&p, view_cstr(rows[i].outside), &line, 1), rows[i].outside));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_read_strictly),
        cmocka_unit_test(test_the_sender_is_the_last_that_no_trusted_proxy_has),
        cmocka_unit_test(test_networks_are_compared_bit_by_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

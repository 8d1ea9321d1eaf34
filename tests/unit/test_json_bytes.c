/* Eight bytes at once find what one byte at a time finds. */
#include "common/contract/json_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool stays_in_string(unsigned char c)
{
    return c != '"' && c != '\\';
}

static bool is_plain(unsigned char c)
{
    return stays_in_string(c) && c >= 0x20 && c < 0x80;
}

static unsigned count(const unsigned char *p, bool (*goes_on)(unsigned char))
{
    unsigned n = 0;
    while (n < JSON_WORD && goes_on(p[n])) {
        n++;
    }
    return n;
}

static void check(const unsigned char *p)
{
    assert_int_equal(json_bytes_in_string(p), count(p, stays_in_string));
    assert_int_equal(json_bytes_plain(p), count(p, is_plain));
}

/* Borrows run from a marked byte into the next ones: all pairs of values, side by side at
 * each place, among letters and among bytes that are one off a marked one. */
static void test_any_two_neighbours_at_any_place(void **state)
{
    static const unsigned char around[] = { 'a', '"' + 1, '\\' + 1, 0x20, 0x7F };
    (void)state;
    for (size_t i = 0; i < sizeof around; i++) {
        for (unsigned pair = 0; pair < 0x10000; pair++) {
            for (unsigned at = 0; at + 1 < JSON_WORD; at++) {
                unsigned char bytes[JSON_WORD];
                memset(bytes, around[i], sizeof bytes);
                bytes[at] = (unsigned char)(pair >> 8);
                bytes[at + 1] = (unsigned char)pair;
                check(bytes);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_two_neighbours_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

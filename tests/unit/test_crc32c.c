/* CRC-32C against the vectors of RFC 3720, appendix B.4. */
#include "common/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_the_published_vectors(void **state)
{
    (void)state;
    char bytes[32];
    assert_int_equal(crc32c(view_cstr("123456789")), 0xe3069283u);
    assert_int_equal(crc32c(view_of(NULL, 0)), 0);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(view_of(bytes, 32)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(view_of(bytes, 32)), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (char)i;
    }
    assert_int_equal(crc32c(view_of(bytes, 32)), 0x46dd794eu);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (char)(31 - i);
    }
    assert_int_equal(crc32c(view_of(bytes, 32)), 0x113fdb5cu);
}

static void test_parts_continue_the_whole(void **state)
{
    (void)state;
    struct view whole = view_cstr("The quick brown fox jumps over the lazy dog");
    for (size_t cut = 0; cut <= whole.len; cut++) {
        uint32_t first = crc32c(view_of(whole.data, cut));
        assert_int_equal(crc32c_extend(first, view_skip(whole, cut)), crc32c(whole));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_vectors),
        cmocka_unit_test(test_parts_continue_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

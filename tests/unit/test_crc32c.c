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

/* Bit by bit, as the polynomial says: whatever the processor offers must agree. */
static uint32_t by_definition(struct view bytes)
{
    uint32_t state = UINT32_MAX;
    for (size_t i = 0; i < bytes.len; i++) {
        state ^= (unsigned char)bytes.data[i];
        for (int bit = 0; bit < 8; bit++) {
            state = (state >> 1) ^ ((state & 1) != 0 ? 0x82f63b78u : 0);
        }
    }
    return ~state;
}

static void test_every_length_and_alignment(void **state)
{
    (void)state;
    char bytes[80];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 37 + 11);
    }
    for (size_t start = 0; start < 8; start++) {
        for (size_t len = 0; start + len <= sizeof bytes; len++) {
            struct view part = view_of(bytes + start, len);
            assert_int_equal(crc32c(part), by_definition(part));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_vectors),
        cmocka_unit_test(test_parts_continue_the_whole),
        cmocka_unit_test(test_every_length_and_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

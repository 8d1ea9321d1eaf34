/* Buffers: growth, the maximum, numbers, the string behind. */
#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_zeroed_buffer_is_an_empty_string(void **state)
{
    (void)state;
    struct buf b = { 0 };
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_view(&b).len, 0);
    buf_clear(&b);
    buf_shrink(&b, 0);
    buf_release(&b);
    buf_release(NULL);
}

static void test_content_survives_growth(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    for (int i = 0; i < 10000; i++) {
        buf_add_char(&b, (char)('a' + i % 26));
    }
    assert_int_equal(b.len, 10000);
    for (size_t i = 0; i < b.len; i++) {
        assert_int_equal(b.data[i], 'a' + (int)i % 26);
    }
    assert_int_equal(strlen(buf_cstr(&b)), 10000);
    buf_release(&b);
}

static void test_what_exceeds_the_maximum_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_true(buf_try_add(&b, "12345678", 8));
    assert_false(buf_try_add(&b, "abc", 3));
    assert_null(buf_try_reserve(&b, SIZE_MAX));
    assert_int_equal(b.len, 8);
    assert_true(buf_try_add(&b, "90", 2));
    assert_false(buf_try_add(&b, "x", 1));
    assert_true(buf_try_add(&b, NULL, 0));
    assert_string_equal(buf_cstr(&b), "1234567890");
    buf_release(&b);
    assert_false(
        buf_try_add(&b, "12345678901", 11)); /* the maximum outlives the content */
    buf_release(&b);
}

static void test_reserved_room_is_the_callers_to_fill(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    buf_add_cstr(&b, "ab");
    char *end = buf_reserve(&b, 1000);
    assert_ptr_equal(end, b.data + 2);
    memset(end, 'x', 1000);
    b.len += 3;
    assert_string_equal(buf_cstr(&b), "abxxx");

    struct buf limited;
    buf_init(&limited, 1000);
    end = buf_try_reserve(&limited, 1000);
    assert_non_null(end);
    memset(end, 'x', 1000);
    buf_release(&limited);
    buf_release(&b);
}

static void test_numbers_are_written_to_their_limits(void **state)
{
    (void)state;
    struct buf b = { 0 };
    buf_add_u64(&b, 0);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, -1);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MAX);
    assert_string_equal(buf_cstr(&b), "0 18446744073709551615 -9223372036854775808 -1 "
                                      "9223372036854775807");
    buf_release(&b);
}

static void test_printf_appends_texts_of_any_length(void **state)
{
    (void)state;
    struct buf b = { 0 };
    buf_add_view(&b, view_cstr("<"));
    buf_printf(&b, "%0500d", 7);
    buf_printf(&b, "%s", "");
    buf_add_view(&b, view_of(NULL, 0));
    buf_add(&b, ">", 1);
    assert_int_equal(b.len, 502);
    assert_int_equal(b.data[500], '7');
    assert_int_equal(b.data[501], '>');
    buf_release(&b);
}

static void test_shrink_gives_back_only_large_memory(void **state)
{
    (void)state;
    struct buf b = { 0 };
    buf_add_cstr(&b, "abc");
    buf_shrink(&b, 1000);
    assert_int_equal(b.len, 0);
    assert_non_null(b.data);
    (void)buf_reserve(&b, 5000);
    buf_shrink(&b, 1000);
    assert_null(b.data);
    assert_int_equal(b.capacity, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_zeroed_buffer_is_an_empty_string),
        cmocka_unit_test(test_content_survives_growth),
        cmocka_unit_test(test_what_exceeds_the_maximum_is_refused_and_changes_nothing),
        cmocka_unit_test(test_reserved_room_is_the_callers_to_fill),
        cmocka_unit_test(test_numbers_are_written_to_their_limits),
        cmocka_unit_test(test_printf_appends_texts_of_any_length),
        cmocka_unit_test(test_shrink_gives_back_only_large_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

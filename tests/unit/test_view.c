/* Views: comparison without NULs or locales in the way. */
#include "common/base/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_an_empty_view_equals_an_empty_string(void **state)
{
    (void)state;
    assert_true(view_equal_cstr(view_of(NULL, 0), ""));
    assert_true(view_equal(view_of(NULL, 0), view_cstr(NULL)));
    assert_false(view_equal_cstr(view_of(NULL, 0), "a"));
}

static void test_a_view_may_hold_nul(void **state)
{
    (void)state;
    static const struct view literal = VIEW_LITERAL("a\0b");
    assert_int_equal(literal.len, 3);
    assert_true(view_equal(literal, view_of("a\0b", 3)));
    assert_false(view_equal(literal, view_of("a\0c", 3)));
}

static void test_order_is_by_bytes_and_prefix_first(void **state)
{
    (void)state;
    static const char *const ascending[] = { "", "A", "B", "a", "ab", "b", "\xc3\xa4" };
    size_t count = sizeof ascending / sizeof ascending[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = view_compare(view_cstr(ascending[i]), view_cstr(ascending[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void test_case_is_ignored_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(view_equal_ignore_case(view_cstr("Content-TYPE"), "content-type"));
    assert_false(view_equal_ignore_case(view_cstr("content-typ"), "content-type"));
    assert_false(
        view_equal_ignore_case(view_cstr("@"), "`")); /* differ by the case bit */
    assert_false(view_equal_ignore_case(view_cstr("\xc3\x84"), "\xc3\xa4"));
}

static void test_trim_takes_spaces_and_tabs_at_both_ends(void **state)
{
    (void)state;
    assert_true(view_equal_cstr(view_trim(view_cstr(" \t a b\t ")), "a b"));
    assert_true(view_equal_cstr(view_trim(view_cstr(" \t ")), ""));
    assert_true(view_equal_cstr(view_trim(view_cstr("a\n")), "a\n"));
    assert_int_equal(view_trim(view_of(NULL, 0)).len, 0);
}

static void test_prefixes_and_skipping(void **state)
{
    (void)state;
    assert_true(view_starts_with(view_cstr("abc"), view_cstr("ab")));
    assert_true(view_starts_with(view_cstr("abc"), view_of(NULL, 0)));
    assert_false(view_starts_with(view_cstr("ab"), view_cstr("abc")));
    assert_true(view_equal_cstr(view_skip(view_cstr("abc"), 1), "bc"));
    assert_int_equal(view_skip(view_of(NULL, 0), 0).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_view_equals_an_empty_string),
        cmocka_unit_test(test_a_view_may_hold_nul),
        cmocka_unit_test(test_order_is_by_bytes_and_prefix_first),
        cmocka_unit_test(test_case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(test_trim_takes_spaces_and_tabs_at_both_ends),
        cmocka_unit_test(test_prefixes_and_skipping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

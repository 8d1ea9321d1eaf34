/* No text from outside ends its quotes, begins a line or steers a terminal. */
#include "common/base/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_characters_are_read_as_rfc_3629_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t expected;
    } cases[] = {
        { "a", 1, 'a' },
        { "\xc2\x80", 2, 0x80 },
        { "\xe2\x82\xac", 3, 0x20ac },
        { "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
        { "\xc0\x80", 1, 0xfffd },         /* overlong */
        { "\xe0\x9f\xbf", 1, 0xfffd },     /* overlong */
        { "\xed\xa0\x80", 1, 0xfffd },     /* a surrogate */
        { "\xf4\x90\x80\x80", 1, 0xfffd }, /* above U+10FFFF */
        { "\xff", 1, 0xfffd },
        { "\x80", 1, 0xfffd },     /* a follower first */
        { "\xe2\x82", 1, 0xfffd }, /* cut off */
        { "\xe2(\xa1", 1, 0xfffd },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t c = 0;
        assert_int_equal(escape_next_char(view_cstr(cases[i].bytes), &c), cases[i].len);
        assert_int_equal(c, cases[i].expected);
    }
}

static void test_every_character_is_written_as_it_was_read(void **state)
{
    (void)state;
    struct buf b = { 0 };
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint32_t back = 0;
        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }
        buf_clear(&b);
        escape_add_char(&b, c);
        assert_int_equal(escape_next_char(buf_view(&b), &back), b.len);
        assert_int_equal(back, c);
    }
    buf_release(&b);
}

static void check(struct view text, size_t max, const char *expected)
{
    struct buf b = { 0 };
    escape_add_text(&b, text, max);
    assert_string_equal(buf_cstr(&b), expected);
    if (text.len <= max) {
        assert_int_equal(escape_is_plain(text), view_equal(buf_view(&b), text));
    }
    buf_release(&b);
}

static void test_treacherous_characters_are_escaped(void **state)
{
    (void)state;
    check(view_cstr("plain \xc3\xa4 text"), 100, "plain \xc3\xa4 text");
    check(view_cstr("a\"b\\c"), 100, "a\\\"b\\\\c");
    check(view_cstr("a\nb\rc\td"), 100, "a\\nb\\rc\\td");
    check(view_of("\0\x1b[31m\x7f", 7), 100, "\\u0000\\u001b[31m\\u007f");
    check(view_cstr("\xc2\x9b\xe2\x80\xa8\xe2\x80\xae"), 100, "\\u009b\\u2028\\u202e");
    check(view_cstr("\xff"
                    "a\xe2\x82"),
          100,
          "\xef\xbf\xbd"
          "a\xef\xbf\xbd\xef\xbf\xbd");
    check(view_of(NULL, 0), 100, "");
}

static void test_long_texts_end_in_an_ellipsis_at_a_character(void **state)
{
    (void)state;
    check(view_cstr("abc"), 3, "abc");
    check(view_cstr("abcd"), 3, "abc\xe2\x80\xa6");
    check(view_cstr("ab\xc3\xa4"), 3, "ab\xe2\x80\xa6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_are_read_as_rfc_3629_has_them),
        cmocka_unit_test(test_every_character_is_written_as_it_was_read),
        cmocka_unit_test(test_treacherous_characters_are_escaped),
        cmocka_unit_test(test_long_texts_end_in_an_ellipsis_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

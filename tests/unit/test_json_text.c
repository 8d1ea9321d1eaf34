/* JSON's spelling of strings and numbers, and back. */
#include "common/contract/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define FFFD "\xef\xbf\xbd"

static void assert_view(struct view got, struct view want)
{
    if (!view_equal(got, want)) {
        fail_msg("got '%.*s', want '%.*s'", VIEW_ARG(got), VIEW_ARG(want));
    }
}

static void test_strings_are_decoded(void **state)
{
    static const struct {
        const char *json;
        struct view plain, storable;
    } rows[] = {
        { "\"\"", VIEW_LITERAL(""), VIEW_LITERAL("") },
        { "\"plain\"", VIEW_LITERAL("plain"), VIEW_LITERAL("plain") },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", VIEW_LITERAL("\"\\/\b\f\n\r\t"),
          VIEW_LITERAL("\"\\/\b\f\n\r\t") },
        { "\"\\u0041\\u00e9\\u20AC\"", VIEW_LITERAL("A\xc3\xa9\xe2\x82\xac"),
          VIEW_LITERAL("A\xc3\xa9\xe2\x82\xac") },
        { "\"\\ud83d\\ude00\"", VIEW_LITERAL("\xf0\x9f\x98\x80"),
          VIEW_LITERAL("\xf0\x9f\x98\x80") },
        { "\"a\\u0000b\"", VIEW_LITERAL("a\0b"), VIEW_LITERAL("a" FFFD "b") },
        { "\"\\ud800\"", VIEW_LITERAL(FFFD), VIEW_LITERAL(FFFD) },
        { "\"\\udc00\\ud800x\"", VIEW_LITERAL(FFFD FFFD "x"),
          VIEW_LITERAL(FFFD FFFD "x") },
        { "\"\\ud800\\u0041\"", VIEW_LITERAL(FFFD "A"), VIEW_LITERAL(FFFD "A") },
        { "\"\\ud800\\ud83d\\ude00\"", VIEW_LITERAL(FFFD "\xf0\x9f\x98\x80"),
          VIEW_LITERAL(FFFD "\xf0\x9f\x98\x80") },
    };
    struct arena arena = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_view(json_text_decode(view_cstr(rows[i].json), &arena), rows[i].plain);
        assert_view(json_text_decode_storable(view_cstr(rows[i].json), &arena),
                    rows[i].storable);
    }
    assert_view(json_text_storable(view_of("a\0", 2), &arena), view_cstr("a" FFFD));
    arena_release(&arena);
}

static void test_values_are_made_fit_for_jsonb_byte_for_byte(void **state)
{
    static const struct {
        const char *json, *jsonb;
    } rows[] = {
        { "{\"a\":\"\\u0000\\n\"}", "{\"a\":\"\\ufffd\\n\"}" },
        { "[\"\\ud800\",\"\\ud83d\\ude00\",\"\\ufffd\"]",
          "[\"\\ufffd\",\"\\ud83d\\ude00\",\"\\ufffd\"]" },
        { "[1.50,1e401,-2E+5]", "[1.50,\"1e401\",-2E+5]" },
        { " [ 1 , \"\\\\u0000\" ] ", " [ 1 , \"\\\\u0000\" ] " },
        { "\"1e999 \\\" 5\"", "\"1e999 \\\" 5\"" },
    };
    struct arena arena = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_view(json_text_jsonb(view_cstr(rows[i].json), &arena),
                    view_cstr(rows[i].jsonb));
    }
    arena_release(&arena);
}

static void test_huge_means_more_than_400_digits_written_out(void **state)
{
    static const struct {
        const char *number;
        bool is_huge;
    } rows[] = {
        { "0", false },           { "1e399", false },
        { "1e400", true },        { "10e398", false },
        { "10e399", true },       { "1e-400", false },
        { "1e-401", true },       { "0.1e-399", false },
        { "0.1e-400", true },     { "0e99999999999999999999", false },
        { "0.000e-5000", false }, { "1e99999999999999999999", true },
        { "-1e130000", true },    { "1.5e-399", false },
        { "1.5e-400", true },     { "123e-100", false },
        { "100e-402", false },    { "100e-403", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (json_text_is_huge_number(view_cstr(rows[i].number)) != rows[i].is_huge) {
            fail_msg("%s", rows[i].number);
        }
    }
}

static void test_plain_text_is_written_as_a_json_string(void **state)
{
    struct buf out = { 0 };
    (void)state;
    json_text_add_string(&out, view_of("a\"\\\b\t\n\v\f\r\x01\x1f\x7f\xc3\xa9\0", 15));
    assert_view(buf_view(&out),
                view_cstr("\"a\\\"\\\\\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\x7f"
                          "\xc3\xa9\\u0000\""));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_are_decoded),
        cmocka_unit_test(test_values_are_made_fit_for_jsonb_byte_for_byte),
        cmocka_unit_test(test_huge_means_more_than_400_digits_written_out),
        cmocka_unit_test(test_plain_text_is_written_as_a_json_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

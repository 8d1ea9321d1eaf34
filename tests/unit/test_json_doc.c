/* The strict scanner: what is JSON, what is not and why, and what it leaves behind. Each
 * text is copied into memory of exactly its size, so that the address sanitizer sees a
 * read beyond it. */
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/contract/json_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct json_limits all = { JSON_MAX_DEPTH, JSON_MAX_KEYS, JSON_ALL_DEPTHS };

static enum json_fault_kind scan(struct json_doc *doc, struct view text,
                                 size_t *out_offset)
{
    struct json_fault fault;
    char *exact = mem_alloc(text.len);
    memcpy(exact, text.data, text.len);
    bool is_json = json_doc_scan(doc, view_of(exact, text.len), &all, &fault);
    assert_int_equal(is_json, fault.kind == JSON_OK);
    if (out_offset != NULL) {
        *out_offset = fault.offset;
    }
    free(exact); /* spans are gone: callers that look at nodes keep their own text */
    return fault.kind;
}

struct text_case {
    const char *text;
    size_t len; /* 0: strlen */
    enum json_fault_kind kind;
};

#define RAW(text, kind)                                                                  \
    {                                                                                    \
        (text), sizeof(text) - 1, (kind)                                                 \
    }

static const struct text_case cases[] = {
    /* what JSON is */
    RAW("{}", JSON_OK),
    RAW("[]", JSON_OK),
    RAW("null", JSON_OK),
    RAW("true", JSON_OK),
    RAW("false", JSON_OK),
    RAW("0", JSON_OK),
    RAW("-0", JSON_OK),
    RAW("-0.0", JSON_OK),
    RAW("1", JSON_OK),
    RAW("10", JSON_OK),
    RAW("1.5", JSON_OK),
    RAW("1e5", JSON_OK),
    RAW("1E5", JSON_OK),
    RAW("1e+5", JSON_OK),
    RAW("1e-5", JSON_OK),
    RAW("1.25e10", JSON_OK),
    RAW("123456789012345678901234567890", JSON_OK),
    RAW("1e400", JSON_OK),
    RAW("1e99999999999999999999", JSON_OK),
    RAW("\"\"", JSON_OK),
    RAW("\"a\"", JSON_OK),
    RAW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", JSON_OK),
    RAW("\"\\u0041\"", JSON_OK),
    RAW("\"\\uD83D\\uDE00\"", JSON_OK),
    RAW("\"\\ud800\"", JSON_OK),
    RAW("\"\\udc00\"", JSON_OK),
    RAW("\"\\ud800\\u0041\"", JSON_OK),
    RAW("\"\\ud800\\ud800\"", JSON_OK),
    RAW("\"\\u0000\"", JSON_OK),
    RAW("\"\x7f\"", JSON_OK),
    RAW("\"\xc3\xa9\"", JSON_OK),
    RAW("\"\xe2\x82\xac\"", JSON_OK),
    RAW("\"\xf0\x9f\x98\x80\"", JSON_OK),
    RAW("\"\xef\xbf\xbf\"", JSON_OK),
    RAW("\"\xf4\x8f\xbf\xbf\"", JSON_OK),
    RAW("\"\xef\xbb\xbf\"", JSON_OK),
    RAW(" \t\r\n{ \"a\" : 1 , \"b\" : [ ] } \n", JSON_OK),
    RAW("{\"a\":{\"b\":[1,{\"c\":null}]}}", JSON_OK),
    RAW("{\"a\":1,\"a\":2}", JSON_OK),
    RAW("{\"\":1}", JSON_OK),
    RAW("[[],[[]],{}]", JSON_OK),
    RAW("[1,2,3]", JSON_OK),
    RAW("\"a string of more than eight bytes, to leave the fast path\"", JSON_OK),
    /* structure */
    RAW("", JSON_NOT_JSON),
    RAW(" ", JSON_NOT_JSON),
    RAW("{", JSON_NOT_JSON),
    RAW("[", JSON_NOT_JSON),
    RAW("}", JSON_NOT_JSON),
    RAW("]", JSON_NOT_JSON),
    RAW("{\"a\"", JSON_NOT_JSON),
    RAW("{\"a\":", JSON_NOT_JSON),
    RAW("{\"a\":1", JSON_NOT_JSON),
    RAW("{\"a\":1,", JSON_NOT_JSON),
    RAW("{\"a\":1,}", JSON_NOT_JSON),
    RAW("{\"a\" 1}", JSON_NOT_JSON),
    RAW("{\"a\"::1}", JSON_NOT_JSON),
    RAW("{\"a\":1 \"b\":2}", JSON_NOT_JSON),
    RAW("{,}", JSON_NOT_JSON),
    RAW("{,\"a\":1}", JSON_NOT_JSON),
    RAW("{a:1}", JSON_NOT_JSON),
    RAW("{'a':1}", JSON_NOT_JSON),
    RAW("{1:1}", JSON_NOT_JSON),
    RAW("{null:1}", JSON_NOT_JSON),
    RAW("[1,]", JSON_NOT_JSON),
    RAW("[,1]", JSON_NOT_JSON),
    RAW("[1 2]", JSON_NOT_JSON),
    RAW("[1,,2]", JSON_NOT_JSON),
    RAW("[1", JSON_NOT_JSON),
    RAW("[1}", JSON_NOT_JSON),
    RAW("{\"a\":1]", JSON_NOT_JSON),
    RAW("{}{}", JSON_NOT_JSON),
    RAW("{} x", JSON_NOT_JSON),
    RAW("1 2", JSON_NOT_JSON),
    RAW("[]]", JSON_NOT_JSON),
    RAW("{\"a\":}", JSON_NOT_JSON),
    RAW("[:]", JSON_NOT_JSON),
    RAW("//x\n{}", JSON_NOT_JSON),
    RAW("{/*x*/}", JSON_NOT_JSON),
    RAW("#\n{}", JSON_NOT_JSON),
    RAW("\xef\xbb\xbf{}", JSON_NOT_JSON),
    RAW("{}\0", JSON_NOT_JSON),
    RAW("\0", JSON_NOT_JSON),
    RAW("{\"a\":\f1}", JSON_NOT_JSON),
    RAW("[\v]", JSON_NOT_JSON),
    RAW("\xc2\xa0{}", JSON_NOT_JSON),
    RAW("[1;2]", JSON_NOT_JSON),
    RAW("(1)", JSON_NOT_JSON),
    RAW(")]}',\n{}", JSON_NOT_JSON),
    RAW("<x/>", JSON_NOT_JSON),
    /* words */
    RAW("nul", JSON_NOT_JSON),
    RAW("nulll", JSON_NOT_JSON),
    RAW("True", JSON_NOT_JSON),
    RAW("TRUE", JSON_NOT_JSON),
    RAW("tru", JSON_NOT_JSON),
    RAW("undefined", JSON_NOT_JSON),
    RAW("NaN", JSON_NOT_JSON),
    RAW("nan", JSON_NOT_JSON),
    RAW("Infinity", JSON_NOT_JSON),
    RAW("-Infinity", JSON_NOT_JSON),
    RAW("truefalse", JSON_NOT_JSON),
    RAW("[truth]", JSON_NOT_JSON),
    /* numbers */
    RAW("-", JSON_NOT_JSON),
    RAW("+1", JSON_NOT_JSON),
    RAW("01", JSON_NOT_JSON),
    RAW("-01", JSON_NOT_JSON),
    RAW("00", JSON_NOT_JSON),
    RAW("1.", JSON_NOT_JSON),
    RAW(".5", JSON_NOT_JSON),
    RAW("1.e5", JSON_NOT_JSON),
    RAW("1e", JSON_NOT_JSON),
    RAW("1e+", JSON_NOT_JSON),
    RAW("1e-", JSON_NOT_JSON),
    RAW("1e5.5", JSON_NOT_JSON),
    RAW("0x10", JSON_NOT_JSON),
    RAW("1_000", JSON_NOT_JSON),
    RAW("1.2.3", JSON_NOT_JSON),
    RAW("--1", JSON_NOT_JSON),
    RAW("1a", JSON_NOT_JSON),
    RAW("- 1", JSON_NOT_JSON),
    RAW("1,000", JSON_NOT_JSON),
    RAW("0e", JSON_NOT_JSON),
    RAW("0.e1", JSON_NOT_JSON),
    RAW("1E", JSON_NOT_JSON),
    RAW("[-]", JSON_NOT_JSON),
    RAW("\xef\xbc\x91", JSON_NOT_JSON),
    /* strings */
    RAW("\"", JSON_NOT_JSON),
    RAW("\"a", JSON_NOT_JSON),
    RAW("\"\\", JSON_NOT_JSON),
    RAW("\"\\\"", JSON_NOT_JSON),
    RAW("\"\\x41\"", JSON_NOT_JSON),
    RAW("\"\\a\"", JSON_NOT_JSON),
    RAW("\"\\0\"", JSON_NOT_JSON),
    RAW("\"\\'\"", JSON_NOT_JSON),
    RAW("\"\\\n\"", JSON_NOT_JSON),
    RAW("\"\\u\"", JSON_NOT_JSON),
    RAW("\"\\u0\"", JSON_NOT_JSON),
    RAW("\"\\u00\"", JSON_NOT_JSON),
    RAW("\"\\u000\"", JSON_NOT_JSON),
    RAW("\"\\u00g0\"", JSON_NOT_JSON),
    RAW("\"\\U0041\"", JSON_NOT_JSON),
    RAW("\"\\ud800\\u\"", JSON_NOT_JSON),
    RAW("\"\\ud800\\u1\"", JSON_NOT_JSON),
    RAW("\"\\ud800\\", JSON_NOT_JSON),
    RAW("\"\\u12", JSON_NOT_JSON),
    RAW("\"a\nb\"", JSON_NOT_JSON),
    RAW("\"a\tb\"", JSON_NOT_JSON),
    RAW("\"a\0b\"", JSON_NOT_JSON),
    RAW("\"\x1f\"", JSON_NOT_JSON),
    RAW("'a'", JSON_NOT_JSON),
    RAW("\"a\"b\"", JSON_NOT_JSON),
    RAW("{\"a\nb\":1}", JSON_NOT_JSON),
    RAW("\"12345678\n\"", JSON_NOT_JSON),
    RAW("\"1234567890123456\x01\"", JSON_NOT_JSON),
    RAW("\"\\\0\"", JSON_NOT_JSON),
    /* UTF-8 */
    RAW("\"\x80\"", JSON_NOT_UTF8),
    RAW("\"\xbf\"", JSON_NOT_UTF8),
    RAW("\"\xc0\x80\"", JSON_NOT_UTF8),
    RAW("\"\xc1\xbf\"", JSON_NOT_UTF8),
    RAW("\"\xc3\"", JSON_NOT_UTF8),
    RAW("\"\xc3(\"", JSON_NOT_UTF8),
    RAW("\"\xe0\x80\x80\"", JSON_NOT_UTF8),
    RAW("\"\xe0\x9f\xbf\"", JSON_NOT_UTF8),
    RAW("\"\xe2\x82\"", JSON_NOT_UTF8),
    RAW("\"\xe2(\xac\"", JSON_NOT_UTF8),
    RAW("\"\xed\xa0\x80\"", JSON_NOT_UTF8),
    RAW("\"\xed\xbf\xbf\"", JSON_NOT_UTF8),
    RAW("\"\xf0\x80\x80\x80\"", JSON_NOT_UTF8),
    RAW("\"\xf0\x8f\xbf\xbf\"", JSON_NOT_UTF8),
    RAW("\"\xf0\x9f\x98\"", JSON_NOT_UTF8),
    RAW("\"\xf4\x90\x80\x80\"", JSON_NOT_UTF8),
    RAW("\"\xf5\x80\x80\x80\"", JSON_NOT_UTF8),
    RAW("\"\xf8\x88\x80\x80\x80\"", JSON_NOT_UTF8),
    RAW("\"\xff\"", JSON_NOT_UTF8),
    RAW("\"\xfe\"", JSON_NOT_UTF8),
    RAW("{\"\xff\":1}", JSON_NOT_UTF8),
    RAW("\xff{}", JSON_NOT_UTF8),
    RAW("[\xff]", JSON_NOT_UTF8),
    RAW("\"12345678\x80\"", JSON_NOT_UTF8),
    RAW("\"\xc3", JSON_NOT_UTF8),
    RAW("\"\xf0\x9f\x98", JSON_NOT_UTF8),
    RAW("{} \xff", JSON_NOT_UTF8),
};

static void test_each_text_is_judged_as_rfc_8259_has_it(void **state)
{
    struct json_doc doc = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum json_fault_kind got = scan(&doc, view_of(cases[i].text, cases[i].len), NULL);
        if (got != cases[i].kind) {
            fail_msg("case %zu, %.*s: got %d, want %d", i, (int)cases[i].len,
                     cases[i].text, (int)got, (int)cases[i].kind);
        }
    }
    json_doc_release(&doc);
}

static void test_every_prefix_of_a_text_is_refused_without_reading_beyond_it(void **state)
{
    static const char text[] =
        "{\"k\\u00e9y\":[1.5e-3,true,null,\"\\uD83D\\uDE00\xc3\xa9\",{\"x\":false}],"
        "\"z\":\"end of it\"}";
    struct json_doc doc = { 0 };
    (void)state;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_int_not_equal(scan(&doc, view_of(text, len), NULL), JSON_OK);
    }
    assert_int_equal(scan(&doc, view_of(text, sizeof text - 1), NULL), JSON_OK);
    json_doc_release(&doc);
}

static void nest(struct buf *out, size_t depth, const char *open, const char *close)
{
    buf_clear(out);
    for (size_t i = 0; i < depth; i++) {
        buf_add_cstr(out, open);
    }
    buf_add_cstr(out, "1");
    for (size_t i = 0; i < depth; i++) {
        buf_add_cstr(out, close);
    }
}

static void test_depth_is_limited_to_64(void **state)
{
    struct json_doc doc = { 0 };
    struct buf text = { 0 };
    size_t offset = 0;
    (void)state;
    nest(&text, 64, "[", "]");
    assert_int_equal(scan(&doc, buf_view(&text), NULL), JSON_OK);
    nest(&text, 65, "[", "]");
    assert_int_equal(scan(&doc, buf_view(&text), &offset), JSON_TOO_DEEP);
    assert_int_equal(offset, 64);
    nest(&text, 64, "{\"a\":", "}");
    assert_int_equal(scan(&doc, buf_view(&text), NULL), JSON_OK);
    nest(&text, 65, "{\"a\":", "}");
    assert_int_equal(scan(&doc, buf_view(&text), NULL), JSON_TOO_DEEP);
    nest(&text, 1000000, "[", "]");
    assert_int_equal(scan(&doc, buf_view(&text), NULL), JSON_TOO_DEEP);
    buf_release(&text);
    json_doc_release(&doc);
}

static void add_keys(struct buf *out, unsigned count)
{
    buf_add_char(out, '{');
    for (unsigned i = 0; i < count; i++) {
        buf_printf(out, "%s\"k%u\":%u", i == 0 ? "" : ",", i, i);
    }
    buf_add_char(out, '}');
}

static void test_keys_are_counted_inside_of_arrays_too(void **state)
{
    struct json_doc doc = { 0 };
    struct buf text = { 0 };
    (void)state;
    add_keys(&text, JSON_MAX_KEYS);
    assert_int_equal(scan(&doc, buf_view(&text), NULL), JSON_OK);
    assert_int_equal(doc.count, JSON_MAX_KEYS + 1);
    buf_clear(&text);
    add_keys(&text, JSON_MAX_KEYS + 1);
    assert_int_equal(scan(&doc, buf_view(&text), NULL), JSON_TOO_MANY_KEYS);
    buf_clear(&text);
    buf_add_char(&text, '[');
    add_keys(&text, JSON_MAX_KEYS / 2);
    buf_add_char(&text, ',');
    add_keys(&text, JSON_MAX_KEYS / 2 + 1);
    buf_add_char(&text, ']');
    assert_int_equal(scan(&doc, buf_view(&text), NULL), JSON_TOO_MANY_KEYS);
    buf_release(&text);
    json_doc_release(&doc);
}

/* ---- nodes ---- */

static const struct json_node *member(const struct json_doc *doc, const char *key)
{
    return json_doc_member(doc, &doc->nodes[0], view_cstr(key));
}

static void test_members_are_recorded_with_their_exact_bytes(void **state)
{
    struct json_doc doc = { 0 };
    struct json_fault fault;
    (void)state;
    struct view text = view_cstr(
        " {\"n\": 1.50 ,\"s\":\"a\\n\",\"o\":{\"x\":[1, 2],\"y\":{}},\"z\":null} ");
    assert_true(json_doc_scan(&doc, text, &all, &fault));
    assert_true(view_equal_cstr(member(&doc, "n")->text, "1.50"));
    assert_int_equal(member(&doc, "n")->kind, JSON_NUMBER);
    assert_true(view_equal_cstr(member(&doc, "s")->text, "\"a\\n\""));
    assert_int_equal(member(&doc, "s")->flags, JSON_HAS_ESCAPE);
    const struct json_node *o = member(&doc, "o");
    assert_true(view_equal_cstr(o->text, "{\"x\":[1, 2],\"y\":{}}"));
    const struct json_node *x = json_doc_first(&doc, o);
    assert_true(view_equal_cstr(x->key, "x"));
    assert_true(view_equal_cstr(x->text, "[1, 2]"));
    assert_int_equal(x->depth, 2);
    const struct json_node *y = json_doc_next(&doc, o, x);
    assert_int_equal(y->kind, JSON_OBJECT);
    assert_null(json_doc_first(&doc, y));
    assert_null(json_doc_next(&doc, o, y));
    assert_int_equal(member(&doc, "z")->kind, JSON_NULL);
    assert_null(member(&doc, "x"));
    json_doc_release(&doc);
}

static void test_only_the_wanted_depth_is_recorded(void **state)
{
    struct json_doc doc = { 0 };
    struct json_fault fault;
    const struct json_limits members = { JSON_MAX_DEPTH, JSON_MAX_KEYS, 1 };
    (void)state;
    assert_true(json_doc_scan(&doc, view_cstr("{\"a\":{\"b\":1},\"c\":[{\"d\":2}]}"),
                              &members, &fault));
    assert_int_equal(doc.count, 3);
    assert_null(json_doc_first(&doc, member(&doc, "a")));
    json_doc_release(&doc);
}

static void test_the_last_of_equal_keys_is_in_force(void **state)
{
    struct json_doc doc = { 0 };
    struct json_fault fault;
    struct buf text = { 0 };
    (void)state;
    assert_true(json_doc_scan(
        &doc, view_cstr("{\"a\":1,\"b\":{\"a\":9},\"\\u0061\":2,\"k\\u0000\":3,\"k\":4}"),
        &all, &fault));
    assert_true(view_equal_cstr(member(&doc, "a")->text, "2"));
    assert_true(view_equal_cstr(member(&doc, "k")->text, "4"));
    assert_true(doc.nodes[1].flags & JSON_IS_SHADOWED);
    /* the same with so many members that they are sorted */
    buf_add_cstr(&text, "{\"a\":1");
    for (int i = 0; i < 200; i++) {
        buf_printf(&text, ",\"m%d\":0,\"a\":%d", i, i);
    }
    buf_add_char(&text, '}');
    assert_true(json_doc_scan(&doc, buf_view(&text), &all, &fault));
    assert_true(view_equal_cstr(member(&doc, "a")->text, "199"));
    unsigned shadowed = 0;
    for (uint32_t i = 0; i < doc.count; i++) {
        shadowed += (doc.nodes[i].flags & JSON_IS_SHADOWED) != 0;
    }
    assert_int_equal(shadowed, 200);
    buf_release(&text);
    json_doc_release(&doc);
}

static void test_what_postgresql_cannot_store_is_flagged_upwards(void **state)
{
    static const struct {
        const char *text;
        unsigned flags; /* of member "v" */
    } rows[] = {
        { "{\"v\":\"\\u0000\"}", JSON_HAS_ESCAPE | JSON_IS_UNSTORABLE },
        { "{\"v\":\"\\ud800\"}", JSON_HAS_ESCAPE | JSON_IS_UNSTORABLE },
        { "{\"v\":\"\\ud83d\\ude00\"}", JSON_HAS_ESCAPE },
        { "{\"v\":[[\"\\udc00\"]]}", JSON_IS_UNSTORABLE },
        { "{\"v\":[{\"\\u0000\":1}]}", JSON_IS_UNSTORABLE },
        { "{\"v\":[1e401]}", JSON_HAS_HUGE_NUMBER },
        { "{\"v\":1e399}", 0 },
        { "{\"v\":0e999999999}", 0 },
        { "{\"v\":1e-401}", JSON_HAS_HUGE_NUMBER },
    };
    struct json_doc doc = { 0 };
    struct json_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(json_doc_scan(&doc, view_cstr(rows[i].text), &all, &fault));
        assert_int_equal(member(&doc, "v")->flags, rows[i].flags);
    }
    json_doc_release(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_text_is_judged_as_rfc_8259_has_it),
        cmocka_unit_test(
            test_every_prefix_of_a_text_is_refused_without_reading_beyond_it),
        cmocka_unit_test(test_depth_is_limited_to_64),
        cmocka_unit_test(test_keys_are_counted_inside_of_arrays_too),
        cmocka_unit_test(test_members_are_recorded_with_their_exact_bytes),
        cmocka_unit_test(test_only_the_wanted_depth_is_recorded),
        cmocka_unit_test(test_the_last_of_equal_keys_is_in_force),
        cmocka_unit_test(test_what_postgresql_cannot_store_is_flagged_upwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Cutting a body into its items by brackets and strings alone. */
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/contract/json_split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The items joined by '|', keys before '='; "!" at the end when the structure is broken.
 */
static void split_to(struct view text, struct buf *out)
{
    struct json_split cursor;
    struct json_fault fault;
    struct view key;
    struct view value;
    char *exact = mem_alloc(text.len);
    memcpy(exact, text.data, text.len);
    buf_clear(out);
    bool goes_on = json_split_open(&cursor, view_of(exact, text.len));
    if (!goes_on) {
        buf_add_char(out, '?');
    }
    while (goes_on) {
        switch (json_split_next(&cursor, &key, &value, &fault)) {
        case JSON_SPLIT_ITEM:
            buf_add_view(out, key);
            buf_add_cstr(out, key.len > 0 ? "=" : "");
            buf_add_view(out, value);
            buf_add_char(out, '|');
            break;
        case JSON_SPLIT_BROKEN:
            assert_true(fault.offset <= text.len);
            buf_add_char(out, '!');
            goes_on = false;
            break;
        case JSON_SPLIT_END:
            goes_on = false;
            break;
        }
    }
    free(exact);
}

static void test_bodies_are_cut_as_expected(void **state)
{
    static const struct {
        const char *body, *items;
    } rows[] = {
        { "[]", "" },
        { " [ ] ", "" },
        { "{}", "" },
        { "[1, \"a,]\" ,{\"b\":[1]}]", "1|\"a,]\"|{\"b\":[1]}|" },
        { "{\"a\" : 1 , \"b\":{\"c\":\"}\"}}", "\"a\"=1|\"b\"={\"c\":\"}\"}|" },
        { "[\"\\\"]\",2]", "\"\\\"]\"|2|" },
        /* bad inside, but its end can be found */
        { "[{\"a\":tru},{\"b\" 1},2]", "{\"a\":tru}|{\"b\" 1}|2|" },
        { "[nonsense here,{\"a\":\"\x01\xff\"}]", "nonsense here|{\"a\":\"\x01\xff\"}|" },
        /* the structure itself is broken */
        { "[1", "1|!" },
        { "[1,", "1|!" },
        { "[1,]", "1|!" },
        { "[,1]", "!" },
        { "[1 {}]", "1 {|!" },
        { "[{} 1]", "{}|!" },
        { "[{]]", "!" },
        { "[{\"a\":[}]}]", "!" },
        { "[\"abc]", "!" },
        { "{\"a\":1", "\"a\"=1|!" },
        { "{\"a\"}", "!" },
        { "{\"a\":}", "!" },
        { "{a:1}", "!" },
        { "{\"a\":1,}", "\"a\"=1|!" },
        { "[1] x", "1|!" },
        { "[]]", "!" },
        { "1", "?" },
        { "", "?" },
        { "\"[]\"", "?" },
    };
    struct buf items = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        split_to(view_cstr(rows[i].body), &items);
        if (!view_equal_cstr(buf_view(&items), rows[i].items)) {
            fail_msg("%s: got %s, want %s", rows[i].body, buf_cstr(&items),
                     rows[i].items);
        }
    }
    buf_release(&items);
}

static void test_an_item_of_any_depth_has_an_end(void **state)
{
    struct buf body = { 0 };
    struct buf items = { 0 };
    (void)state;
    buf_add_char(&body, '[');
    for (int i = 0; i < 500000; i++) {
        buf_add_char(&body, '[');
    }
    for (int i = 0; i < 500000; i++) {
        buf_add_char(&body, ']');
    }
    buf_add_cstr(&body, ",7]");
    split_to(buf_view(&body), &items);
    assert_int_equal(items.len, 1000000 + 3);
    buf_release(&body);
    buf_release(&items);
}

static void test_the_first_byte_tells_the_kind(void **state)
{
    enum json_kind kind;
    (void)state;
    assert_true(json_split_kind(view_cstr("  {"), &kind) && kind == JSON_OBJECT);
    assert_true(json_split_kind(view_cstr("["), &kind) && kind == JSON_ARRAY);
    assert_true(json_split_kind(view_cstr("\""), &kind) && kind == JSON_STRING);
    assert_true(json_split_kind(view_cstr("-1"), &kind) && kind == JSON_NUMBER);
    assert_false(json_split_kind(view_cstr("\xef\xbb\xbf{}"), &kind));
    assert_false(json_split_kind(view_cstr("a=b"), &kind));
    assert_false(json_split_kind(view_cstr(" "), &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_are_cut_as_expected),
        cmocka_unit_test(test_an_item_of_any_depth_has_an_end),
        cmocka_unit_test(test_the_first_byte_tells_the_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

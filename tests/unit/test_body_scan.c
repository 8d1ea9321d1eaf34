/* The events of plain bodies in one pass; what is not plain is left to body_split, and
 * where both take a body they must say the same of it. */
#include "ingest/events/body_scan.h"

#include "common/base/buf.h"
#include "common/contract/message_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MAX_EVENT 4096
#define E1 "{\"type\":\"track\",\"messageId\":\"m1\"}"
#define E2 "{\"type\":\"page\",\"messageId\":\"m2\",\"writeKey\":\"w2\"}"

struct bed {
    struct json_doc doc;
    struct arena arena;
    struct body_elements elements;
    struct body_scan_setup setup;
};

static int set_up(void **state)
{
    static struct bed b;
    b = (struct bed){ .setup = { .max_event_bytes = MAX_EVENT } };
    b.setup.doc = &b.doc;
    b.setup.arena = &b.arena;
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    json_doc_release(&b->doc);
    arena_release(&b->arena);
    body_elements_shrink(&b->elements, 0);
    return 0;
}

static const char *const plain[] = {
    E1,
    " \r\n\t" E1 " \n",
    "[]",
    " [ ] ",
    "[" E1 "]",
    "[ " E1 " , " E2 " ]\n",
    "{\"batch\":[]}",
    "{\"batch\":[" E1 "," E2 "]}",
    "{ \"batch\" : [ " E1 " ] , \"sentAt\" : \"t\" }",
    "{\"writeKey\":\"w\",\"batch\":[" E2 "],\"context\":{\"a\":[1,{}]},"
    "\"integrations\":{\"All\":false}}",
    "{\"context\":7,\"integrations\":null,\"sentAt\":5,\"batch\":[" E1 "],\"x\":\"y\"}",
    "{\"sentAt\":\"a\\u00e9\",\"batch\":[" E1 "],\"sentAt\":\"b\"}",
    "{\"type\":\"track\",\"messageId\":5.0,\"properties\":{\"a\":\"\\ud800\"}}",
    "{\"type\":\"track\"}",
    "{\"type\":\"track\",\"messageId\":\"\"}",
    "{\"type\":\"track\",\"messageId\":\"a\\u0000b\",\"message_id\":\"z\"}",
};

static const char *const not_plain[] = {
    "",
    " ",
    "7",
    "\"x\"",
    "{",
    "[",
    "[" E1,
    "[" E1 ",]",
    "[," E1 "]",
    "[" E1 " " E2 "]",
    "[" E1 "] x",
    E1 E1,
    "\xef\xbb\xbf" E1,
    "[7]",
    "[" E1 ",7]",
    "[[" E1 "]]",
    "[" E1 ",{\"type\":\"other\"}]",
    "{\"type\":\"TRACK\"}",
    "{\"type\":7}",
    "{}",
    "{\"type\":\"track\",\"batch\":[]}",
    "{\"type\":\"track\",\"properties\":{\"batch\":1}}",
    "{\"type\":\"track\",\"b\\u0061tch\":[]}",
    "{\"batch\":[" E1 "],\"type\":\"track\"}",
    "{\"batch\":[" E1 "],\"batch\":[]}",
    "{\"batch\":{}}",
    "{\"batch\":[" E1 "]",
    "{\"batch\":[" E1 "],}",
    "{\"batch\":[" E1 "]}}",
    "{\"batch\":[" E1 "],\"a\":nul}",
    "{\"batch\":[" E1 "],\"se\\u006etAt\":\"t\"}",
    "{\"batch\":[" E1 "],\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,"
    "\"9\":1}",
    "[{\"json\":" E1 "}]",
    "{\"type\":\"track\",\"a\":\"\xff\"}",
    "[" E1 ",{\"type\":\"track\",\"a\":NaN}]",
};

static void assert_same(struct view a, struct view b, const char *what, const char *body)
{
    if (!view_equal(a, b)) {
        fail_msg("%s of %s: '%.*s', body_split says '%.*s'", what, body, VIEW_ARG(a),
                 VIEW_ARG(b));
    }
}

/* Element for element what body_split makes of it. */
static void compare(struct bed *b, const char *text)
{
    struct body_split scanned;
    struct body_split split;
    struct json_doc doc = { 0 };
    enum reject_reason reason;
    struct error err;
    struct body_event event;
    if (!body_scan(view_cstr(text), &b->setup, &scanned, &b->elements)) {
        fail_msg("not plain: %s", text);
    }
    assert_true(body_split_open(&split, view_cstr(text), &doc, &b->arena, &reason, &err));
    assert_int_equal(scanned.shape, split.shape);
    assert_int_equal(scanned.count, split.count);
    assert_same(scanned.first, split.first, "first", text);
    assert_same(scanned.context, split.context, "context", text);
    assert_same(scanned.integrations, split.integrations, "integrations", text);
    assert_same(scanned.sent_at, split.sent_at, "sentAt", text);
    assert_same(scanned.write_key, split.write_key, "writeKey", text);
    for (size_t i = 0; i < split.count; i++) {
        const struct body_element *e = &b->elements.items[i];
        struct message_id id;
        assert_true(body_split_next(&split, &doc, MAX_EVENT, &event));
        assert_non_null(event.doc);
        assert_same(e->bytes, event.bytes, "bytes", text);
        message_id_of_event(event.doc, view_cstr("s"), &b->arena, &id);
        assert_same(e->id, id.field == NULL ? view_of(NULL, 0) : id.text, "id", text);
    }
    json_doc_release(&doc);
}

static void test_plain_bodies_are_what_body_split_says(void **state)
{
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        compare(*state, plain[i]);
    }
}

static void test_what_is_in_doubt_is_left_to_body_split(void **state)
{
    struct bed *b = *state;
    struct body_split split;
    for (size_t i = 0; i < sizeof not_plain / sizeof not_plain[0]; i++) {
        if (body_scan(view_cstr(not_plain[i]), &b->setup, &split, &b->elements)) {
            fail_msg("taken for plain: %s", not_plain[i]);
        }
    }
}

static void test_types_are_the_events_own_or_the_paths(void **state)
{
    struct bed *b = *state;
    struct body_split split;
    struct view untyped = view_cstr("[{\"messageId\":\"a\",\"type\":null}," E2 "]");
    assert_false(body_scan(untyped, &b->setup, &split, &b->elements));
    b->setup.has_path_type = true;
    b->setup.path_type = EVENT_GROUP;
    assert_true(body_scan(untyped, &b->setup, &split, &b->elements));
    assert_false(b->elements.items[0].has_type);
    assert_int_equal(b->elements.items[0].type, EVENT_GROUP);
    assert_true(b->elements.items[1].has_type);
    assert_int_equal(b->elements.items[1].type, EVENT_PAGE);
}

static void add_event(struct buf *out, size_t size)
{
    buf_add_cstr(out, "{\"type\":\"track\",\"a\":\"");
    size_t filling = size - strlen("{\"type\":\"track\",\"a\":\"\"}");
    memset(buf_reserve(out, filling), 'x', filling);
    out->len += filling;
    buf_add_cstr(out, "\"}");
}

static void test_an_event_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
    struct bed *b = *state;
    struct body_split split;
    for (size_t size = MAX_EVENT - 1; size <= MAX_EVENT + 1; size++) {
        struct buf body = { 0 };
        add_event(&body, size);
        assert_int_equal(body_scan(buf_view(&body), &b->setup, &split, &b->elements),
                         size <= MAX_EVENT);
        buf_release(&body);
    }
}

static void test_very_many_elements_are_not_plain(void **state)
{
    struct bed *b = *state;
    struct body_split split;
    for (size_t count = BODY_SCAN_MAX_ELEMENTS - 1; count <= BODY_SCAN_MAX_ELEMENTS + 1;
         count++) {
        struct buf body = { 0 };
        for (size_t i = 0; i < count; i++) {
            buf_add_cstr(&body, i == 0 ? "[" E1 : "," E1);
        }
        buf_add_char(&body, ']');
        assert_int_equal(body_scan(buf_view(&body), &b->setup, &split, &b->elements),
                         count <= BODY_SCAN_MAX_ELEMENTS);
        buf_release(&body);
    }
    body_elements_shrink(&b->elements, 64);
    assert_int_equal(b->elements.capacity, 0);
}

/* An id of 255 bytes is kept, a longer one hashed. */
static void test_long_ids_are_hashed_as_elsewhere(void **state)
{
    for (size_t len = MESSAGE_ID_MAX_BYTES - 1; len <= MESSAGE_ID_MAX_BYTES + 1; len++) {
        char body[512];
        char id[300];
        memset(id, 'i', len);
        id[len] = '\0';
        snprintf(body, sizeof body, "{\"type\":\"track\",\"messageId\":\"%s\"}", id);
        compare(*state, body);
    }
}

#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BED(test_plain_bodies_are_what_body_split_says),
        WITH_BED(test_what_is_in_doubt_is_left_to_body_split),
        WITH_BED(test_types_are_the_events_own_or_the_paths),
        WITH_BED(test_an_event_may_be_as_large_as_the_limit_and_no_larger),
        WITH_BED(test_very_many_elements_are_not_plain),
        WITH_BED(test_long_ids_are_hashed_as_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

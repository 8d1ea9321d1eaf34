/* From a body to its events: shapes, envelopes, wrapped batches, and what cannot be
 * split.
 */
#include "ingest/events/body_split.h"

#include "common/base/buf.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_EVENT_BYTES 1000

/* What each test works with; the body lies in memory of its exact size, so that the
 * address sanitizer sees a byte too many. */
struct bench {
    struct json_doc doc;
    struct arena arena;
    struct body_split split;
    enum reject_reason reason;
    struct error err;
    char *body;
};

static bool open_body(struct bench *b, struct view body)
{
    free(b->body);
    b->body = mem_alloc(body.len);
    if (body.len > 0) {
        memcpy(b->body, body.data, body.len);
    }
    arena_reset(&b->arena);
    return body_split_open(&b->split, view_of(b->body, body.len), &b->doc, &b->arena,
                           &b->reason, &b->err);
}

/* All events joined by '|'; a rejected one as "reason!bytes". */
static void read_events(struct bench *b, struct buf *out)
{
    struct body_event event;
    buf_clear(out);
    while (body_split_next(&b->split, &b->doc, MAX_EVENT_BYTES, &event)) {
        if (event.doc == NULL) {
            buf_printf(out, "%s!", reject_reason_text(event.reason));
        }
        buf_add_view(out, event.bytes);
        buf_add_char(out, '|');
    }
}

static int set_up(void **state)
{
    *state = mem_calloc(1, sizeof(struct bench));
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    json_doc_release(&b->doc);
    arena_release(&b->arena);
    free(b->body);
    free(b);
    return 0;
}

static void test_a_body_gives_its_events_exactly_as_they_were_sent(void **state)
{
    static const struct {
        const char *body;
        enum body_shape shape;
        const char *events;
    } rows[] = {
        { "{}", BODY_SINGLE, "{}|" },
        { " {\"a\" : 1}\n", BODY_SINGLE, "{\"a\" : 1}|" },
        { "{\"batch\":7}", BODY_SINGLE, "{\"batch\":7}|" },
        { "{\"batch\":{\"a\":1}}", BODY_SINGLE, "{\"batch\":{\"a\":1}}|" },
        { "[]", BODY_ARRAY, "" },
        { "[{\"a\":1} , {\"b\":2}]", BODY_ARRAY, "{\"a\":1}|{\"b\":2}|" },
        { "[{\"json\":{\"a\":1}},{\"json\":{\"b\":2}}]", BODY_ARRAY,
          "{\"a\":1}|{\"b\":2}|" },
        { "[{\"json\":{\"a\":1},\"b\":2}]", BODY_ARRAY, "{\"json\":{\"a\":1},\"b\":2}|" },
        { "[{\"json\":7}]", BODY_ARRAY, "{\"json\":7}|" },
        { "{\"batch\":[]}", BODY_ENVELOPE, "" },
        { "{\"batch\":[{\"a\":1}],\"sentAt\":\"x\"}", BODY_ENVELOPE, "{\"a\":1}|" },
        { "{\"b\\u0061tch\":[{\"a\":1}]}", BODY_ENVELOPE, "{\"a\":1}|" },
        { "{\"batch\":[{\"json\":{\"a\":1}}]}", BODY_ENVELOPE, "{\"json\":{\"a\":1}}|" },
        /* An event may have a `batch` of its own. */
        { "{\"type\":\"track\",\"batch\":[1]}", BODY_SINGLE,
          "{\"type\":\"track\",\"batch\":[1]}|" },
        { "{\"batch\":[],\"batch\":[1],\"t\\u0079pe\":\"page\"}", BODY_SINGLE,
          "{\"batch\":[],\"batch\":[1],\"t\\u0079pe\":\"page\"}|" },
        { "{\"batch\":[{}],\"type\":\"batch\"}", BODY_ENVELOPE, "{}|" },
        { "{\"batch\":[{}],\"type\":null}", BODY_ENVELOPE, "{}|" },
    };
    struct bench *b = *state;
    struct buf events = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(open_body(b, view_cstr(rows[i].body)));
        assert_int_equal(b->split.shape, rows[i].shape);
        read_events(b, &events);
        assert_string_equal(buf_cstr(&events), rows[i].events);
    }
    buf_release(&events);
}

static void test_a_bad_element_is_rejected_alone(void **state)
{
    static const struct {
        const char *body, *events;
    } rows[] = {
        { "[{\"a\":1},NaN,{\"b\":2}]", "{\"a\":1}|not json!NaN|{\"b\":2}|" },
        { "[{\"a\":01},{\"b\":2}]", "not json!{\"a\":01}|{\"b\":2}|" },
        { "[{\"a\":\"\xff\"},{\"b\":2}]", "invalid utf-8!{\"a\":\"\xff\"}|{\"b\":2}|" },
        { "[null,7,\"x\",[1],{}]", "not an object!null|not an object!7|not an "
                                   "object!\"x\"|not an object![1]|{}|" },
        { "{\"batch\":[{\"a\":tru},{}]}", "not json!{\"a\":tru}|{}|" },
    };
    struct bench *b = *state;
    struct buf events = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(open_body(b, view_cstr(rows[i].body)));
        read_events(b, &events);
        assert_string_equal(buf_cstr(&events), rows[i].events);
    }
    buf_release(&events);
}

static void test_a_body_that_cannot_be_split_says_why_and_where(void **state)
{
    static const struct {
        const char *body;
        enum reject_reason reason;
        const char *where;
    } rows[] = {
        { "", REJECT_NOT_JSON, "byte 0" },
        { "  ", REJECT_NOT_JSON, "byte" },
        { "7", REJECT_NOT_AN_OBJECT, "an event must be an object" },
        { "null", REJECT_NOT_AN_OBJECT, "an event must be an object" },
        { "<xml/>", REJECT_NOT_JSON, "byte 0" },
        { "\xff{}", REJECT_INVALID_UTF8, "byte 0" },
        { "{\"a\":1", REJECT_NOT_JSON, "byte 6" },
        { "[{}] x", REJECT_NOT_JSON, "byte 5" },
        { "[{},]", REJECT_NOT_JSON, "byte 4" },
        { "[{}{}]", REJECT_NOT_JSON, "byte 3" },
        { "{\"batch\":[{}", REJECT_NOT_JSON, "byte" },
        { "{\"batch\":[{}],\"batch\":[{}]}", REJECT_NOT_JSON, "twice" },
        { "{\"batch\":[{}],\"b\\u0061tch\":[{}]}", REJECT_NOT_JSON, "twice" },
        { "{\"batch\":[{}],\"context\":{\"a\":NaN}}", REJECT_NOT_JSON, "byte 29" },
        { "{\"batch\":[{}],\"a\":\"\xff\"}", REJECT_INVALID_UTF8, "byte" },
    };
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(open_body(b, view_cstr(rows[i].body)));
        assert_string_equal(reject_reason_text(b->reason),
                            reject_reason_text(rows[i].reason));
        assert_int_equal(b->err.class, ERROR_INVALID);
        assert_non_null(strstr(b->err.text, rows[i].where));
    }
}

static void test_the_envelope_speaks_for_all_events(void **state)
{
    struct bench *b = *state;
    assert_true(open_body(b, view_cstr("{\"context\":{\"a\":1},\"batch\":[{\"x\":1},{}],"
                                       "\"integrations\":{\"All\":true},"
                                       "\"sentAt\":\"2026-01-02T03:04:05Z\\u0021\","
                                       "\"writeKey\":\"k\\u0031\"}")));
    assert_int_equal(b->split.count, 2);
    assert_true(view_equal_cstr(b->split.first, "{\"x\":1}"));
    assert_true(view_equal_cstr(b->split.context, "{\"a\":1}"));
    assert_true(view_equal_cstr(b->split.integrations, "{\"All\":true}"));
    assert_true(view_equal_cstr(b->split.sent_at, "2026-01-02T03:04:05Z!"));
    assert_true(view_equal_cstr(b->split.write_key, "k1"));
}

static void test_the_first_event_is_found_in_a_beginning(void **state)
{
    (void)state;
    static const struct {
        const char *beginning, *first;
    } rows[] = {
        { "[{\"a\":1},{\"b\"", "{\"a\":1}" },
        { " [ {\"json\":{\"a\":1}} , ", "{\"a\":1}" },
        { "[{\"a\":[1,", "" },
        { "[{\"json\":{\"a\":1}", "" },
        { "[1", "" },
        { "[\"{}\",", "" },
        { "[", "" },
        { "", "" },
        { "{\"batch\":[{}],", "" },
        { "x", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct view first = body_split_first_of(view_cstr(rows[i].beginning));
        assert_true(view_equal_cstr(first, rows[i].first));
    }
}

static void test_a_single_event_has_no_envelope(void **state)
{
    struct bench *b = *state;
    assert_true(open_body(
        b, view_cstr("{\"context\":{\"a\":1},\"sentAt\":\"x\",\"writeKey\":\"k\"}")));
    assert_int_equal(b->split.count, 1);
    assert_int_equal(b->split.context.len, 0);
    assert_int_equal(b->split.sent_at.len, 0);
    assert_true(view_equal_cstr(b->split.write_key, "k"));
    assert_int_equal(b->split.first.len, 0); /* signatures cover the whole body */
}

static void test_the_write_key_is_the_envelopes_or_the_first_events(void **state)
{
    static const struct {
        const char *body, *key;
    } rows[] = {
        { "{\"writeKey\":\"a\"}", "a" },
        { "{\"writeKey\":7}", "" },
        { "{\"writeKey\":\"a\",\"batch\":[{\"writeKey\":\"b\"}]}", "a" },
        { "{\"batch\":[{\"writeKey\":\"b\"},{\"writeKey\":\"c\"}]}", "b" },
        { "{\"batch\":[{},{\"writeKey\":\"c\"}]}", "" },
        { "[{\"writeKey\":\"d\"}]", "d" },
        { "[{\"json\":{\"writeKey\":\"e\"}}]", "e" },
        { "[7]", "" },
        { "[]", "" },
        { "{\"writeKey\":\"bad \\x escape\"}", "" },
    };
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(open_body(b, view_cstr(rows[i].body)));
        assert_true(view_equal_cstr(b->split.write_key, rows[i].key));
    }
}

static void
test_an_event_over_the_limit_is_rejected_and_its_neighbours_are_not(void **state)
{
    struct bench *b = *state;
    struct buf body = { 0 };
    struct body_event event;
    buf_add_cstr(&body, "[{},{\"a\":\"");
    for (int i = 0; i < MAX_EVENT_BYTES; i++) {
        buf_add_char(&body, 'x');
    }
    buf_add_cstr(&body, "\"},{}]");
    assert_true(open_body(b, buf_view(&body)));
    assert_true(body_split_next(&b->split, &b->doc, MAX_EVENT_BYTES, &event));
    assert_non_null(event.doc);
    assert_true(body_split_next(&b->split, &b->doc, MAX_EVENT_BYTES, &event));
    assert_null(event.doc);
    assert_int_equal(event.reason, REJECT_EVENT_TOO_LARGE);
    assert_true(body_split_next(&b->split, &b->doc, MAX_EVENT_BYTES, &event));
    assert_non_null(event.doc);
    assert_false(body_split_next(&b->split, &b->doc, MAX_EVENT_BYTES, &event));
    buf_release(&body);
}

static void add_nested(struct buf *body, int depth)
{
    for (int i = 0; i < depth; i++) {
        buf_add_cstr(body, "{\"a\":");
    }
    buf_add_cstr(body, "1");
    for (int i = 0; i < depth; i++) {
        buf_add_char(body, '}');
    }
}

static void test_depth_counts_from_the_events_own_brace(void **state)
{
    struct bench *b = *state;
    struct buf body = { 0 };
    struct body_event event;
    buf_add_cstr(&body, "{\"batch\":[");
    add_nested(&body, JSON_MAX_DEPTH);
    buf_add_char(&body, ',');
    add_nested(&body, JSON_MAX_DEPTH + 1);
    buf_add_cstr(&body, "]}");
    assert_true(open_body(b, buf_view(&body)));
    assert_true(body_split_next(&b->split, &b->doc, MAX_EVENT_BYTES, &event));
    assert_non_null(event.doc);
    assert_true(body_split_next(&b->split, &b->doc, MAX_EVENT_BYTES, &event));
    assert_null(event.doc);
    assert_int_equal(event.reason, REJECT_TOO_DEEP);
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_gives_its_events_exactly_as_they_were_sent),
        cmocka_unit_test(test_a_bad_element_is_rejected_alone),
        cmocka_unit_test(test_a_body_that_cannot_be_split_says_why_and_where),
        cmocka_unit_test(test_the_envelope_speaks_for_all_events),
        cmocka_unit_test(test_the_first_event_is_found_in_a_beginning),
        cmocka_unit_test(test_a_single_event_has_no_envelope),
        cmocka_unit_test(test_the_write_key_is_the_envelopes_or_the_first_events),
        cmocka_unit_test(
            test_an_event_over_the_limit_is_rejected_and_its_neighbours_are_not),
        cmocka_unit_test(test_depth_counts_from_the_events_own_brace),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

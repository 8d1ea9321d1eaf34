/* Bodies that are not what they should be: every one of tests/data/malformed, every cut
 * of a good one, and those that end where a reader would like to go on. Each is copied
 * into memory of its exact size, so that the address sanitizer sees a byte too many. */
#include "ingest/events/body_split.h"

#include "common/base/buf.h"

#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_EVENT_BYTES (1u << 20)
#define MAX_EVENTS 8

/* One body, split to its end. */
struct splitting {
    char *body;
    struct body_split split;
    struct json_doc doc;
    struct arena arena;
    enum reject_reason reason; /* of the body */
    struct error err;
    struct body_event events[MAX_EVENTS]; /* their doc is only good as "not NULL" */
    size_t count;
};

static bool split_all(struct splitting *s, struct view body)
{
    *s = (struct splitting){ .body = malloc(body.len == 0 ? 1 : body.len) };
    assert_non_null(s->body);
    memcpy(s->body, body.len == 0 ? "" : body.data, body.len);
    if (!body_split_open(&s->split, view_of(s->body, body.len), &s->doc, &s->arena,
                         &s->reason, &s->err)) {
        assert_int_equal(s->err.class, ERROR_INVALID);
        assert_true(s->err.text[0] != '\0');
        return false;
    }
    struct body_event event;
    while (body_split_next(&s->split, &s->doc, MAX_EVENT_BYTES, &event)) {
        assert_true(s->count < MAX_EVENTS);
        s->events[s->count++] = event;
    }
    assert_int_equal(s->count, s->split.count);
    return true;
}

static void splitting_release(struct splitting *s)
{
    json_doc_release(&s->doc);
    arena_release(&s->arena);
    free(s->body);
}

/* ---- tests/data/malformed ---- */

static struct buf read_data(const char *name)
{
    char path[512];
    struct buf b = { 0 };
    snprintf(path, sizeof path, "%s/malformed/%s", TEST_DATA_DIR, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s cannot be read", path);
    }
    size_t n;
    do {
        n = fread(buf_reserve(&b, 65536), 1, 65536, f);
        b.len += n;
    } while (n > 0);
    fclose(f);
    return b;
}

/* A repeated text, with its number for each {i}. */
static void add_numbered(struct buf *out, const char *text, int number)
{
    const char *mark;
    while ((mark = strstr(text, "{i}")) != NULL) {
        buf_add(out, text, (size_t)(mark - text));
        buf_printf(out, "%d", number);
        text = mark + 3;
    }
    buf_add_cstr(out, text);
}

static struct buf build_body(struct json_object *parts)
{
    struct buf b = { 0 };
    for (size_t i = 0; i < json_object_array_length(parts); i++) {
        struct json_object *part = json_object_array_get_idx(parts, i);
        const char *text = json_object_get_string(json_object_array_get_idx(part, 0));
        int times = json_object_get_int(json_object_array_get_idx(part, 1));
        for (int n = 0; n < times; n++) {
            add_numbered(&b, text, n);
        }
    }
    return b;
}

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(object, name, &value);
    return value;
}

/* The next expected reason that splitting gives, from *at on: types are judged later.
 * NULL: there is none. */
static const char *next_reason(struct json_object *rejected, size_t *at)
{
    while (*at < json_object_array_length(rejected)) {
        const char *reason =
            json_object_get_string(json_object_array_get_idx(rejected, (*at)++));
        if (strcmp(reason, "unknown event type") != 0 &&
            strcmp(reason, "delete without user") != 0) {
            return reason;
        }
    }
    return NULL;
}

static void check_events(const struct splitting *s, struct json_object *rejected,
                         const char *name)
{
    size_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct body_event *event = &s->events[i];
        if (event->doc != NULL) {
            continue;
        }
        const char *expected = next_reason(rejected, &at);
        const char *found = reject_reason_text(event->reason);
        if (expected == NULL || strcmp(expected, found) != 0) {
            fail_msg("%s: event %zu is rejected as '%s'", name, i, found);
        }
        assert_true(event->reason == REJECT_EVENT_TOO_LARGE || event->detail[0] != '\0');
    }
    const char *missing = next_reason(rejected, &at);
    if (missing != NULL) {
        fail_msg("%s: nothing was rejected as '%s'", name, missing);
    }
}

/* What accept answers 400: neither an event nor a batch of some. */
static bool is_bad_single(const struct splitting *s)
{
    return s->split.shape == BODY_SINGLE && s->events[0].doc == NULL &&
           (s->events[0].reason == REJECT_NOT_JSON ||
            s->events[0].reason == REJECT_INVALID_UTF8);
}

static void check_case(struct json_object *c, const char *name, struct view body)
{
    struct splitting s;
    struct json_object *rejected = member(c, "rejected");
    int expected = json_object_get_int(member(c, "status"));
    bool is_split = split_all(&s, body);
    int status = is_split && !is_bad_single(&s) ? 200 : 400;
    if (status != expected) {
        fail_msg("%s: %s, so %d instead of %d: %s", name,
                 is_split ? "is split" : "is not split", status, expected, s.err.text);
    }
    if (is_split) {
        check_events(&s, rejected, name);
    } else {
        size_t at = 0;
        const char *reason = next_reason(rejected, &at);
        assert_non_null(reason);
        assert_string_equal(reject_reason_text(s.reason), reason);
    }
    splitting_release(&s);
}

static void test_all_malformed_bodies_of_the_test_data(void **state)
{
    struct json_object *index =
        json_object_from_file(TEST_DATA_DIR "/malformed/index.json");
    size_t checked = 0;
    (void)state;
    assert_non_null(index);
    for (size_t i = 0; i < json_object_array_length(index); i++) {
        struct json_object *c = json_object_array_get_idx(index, i);
        if (json_object_get_int(member(c, "status")) == 413 ||
            member(c, "content_type") != NULL) {
            continue; /* judged by size or form, not by what is inside */
        }
        struct buf body = member(c, "build") == NULL
                              ? read_data(json_object_get_string(member(c, "file")))
                              : build_body(member(c, "build"));
        check_case(c, json_object_get_string(member(c, "name")), buf_view(&body));
        buf_release(&body);
        checked++;
    }
    assert_true(checked >= 160);
    json_object_put(index);
}

/* ---- ends ---- */

static void test_hostile_ends_give_no_event_and_are_not_read_beyond(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[",
        "{\"",
        "{\"\\",
        "{\"\\\"",
        "{\"\\u12\"",
        "{\"a\":\"\\u12",
        "{\"a\":\"\xff",
        "\"x",
        "-",
        "nul",
        "{\"\\u12\":1}",
        "{\"\\\":1}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud83d\\u\"}",
        "{\"\\ud83d\\u12\":1}",
        "{\"\\x\":1}",
        "{\"\\u12\":1,\"batch\":[{}]}",
        "{\"batch\":[{}],\"sentAt\":\"\\u12\"}",
        "{\"batch\":[{}],\"writeKey\":\"\\u\"}",
        "{\"batch\":[{}],\"\\ud83d\\u\":1}",
        "{\"batch\":[{\"writeKey\":\"\\u12\"}]}",
        "{\"batch\":[{\"\\u12\":1}]}",
        "{\"batch\":[\"\\",
        "[{\"\\u12\"}]",
        "[{\"\\u12",
        "[{\"json\":{\"\\u12\":1}}]",
        "[\"\\u12\"]",
        "{\"batch\":[{}],\"batch\":[{}]}",
        "{\"batch\":[{}],\"b\\u0061tch\":5}",
        "{\"batch\":[{}],\"context\":{\"a\":nan}}",
        "{\"batch\":[{}],\"context\":{\"a\":\"\xff\"}}",
        "{\"\xc3\x28\":1,\"batch\":[{}]}",
        "{\"batch\":[{}}]",
        "[{} {}]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct splitting s;
        bool is_split = split_all(&s, view_cstr(bodies[i]));
        for (size_t j = 0; is_split && j < s.count; j++) {
            if (s.events[j].doc != NULL) {
                fail_msg("'%s' gave an event", bodies[i]);
            }
        }
        splitting_release(&s);
    }
}

static void test_every_cut_of_a_good_body_is_refused(void **state)
{
    static const char body[] =
        "{\"context\":{\"a\":\"\\u00e9\\ud83d\\ude00\"},\"b\\u0061tch\":[{\"json\":"
        "{\"type\":\"track\",\"n\":-1.5e+3}},{\"b\":[true,null]}],\"sentAt\":"
        "\"\\\"\xc3\xa9\"}";
    struct splitting s;
    (void)state;
    assert_true(split_all(&s, view_cstr(body)));
    assert_int_equal(s.count, 2);
    splitting_release(&s);
    for (size_t len = 0; len < sizeof body - 1; len++) {
        if (split_all(&s, view_of(body, len))) {
            fail_msg("the first %zu bytes were split", len);
        }
        splitting_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_malformed_bodies_of_the_test_data),
        cmocka_unit_test(test_hostile_ends_give_no_event_and_are_not_read_beyond),
        cmocka_unit_test(test_every_cut_of_a_good_body_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

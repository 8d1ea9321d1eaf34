/* From an event and its request's facts to the record that Kafka keeps. */
#include "ingest/events/event_record.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_EVENT_BYTES (1u << 20)
#define SEQ 7

struct bench {
    struct json_doc doc;
    struct arena arena;
    struct event_facts facts;
    struct event_scratch scratch;
    struct record record;
};

static int set_up(void **state)
{
    struct bench *b = mem_calloc(1, sizeof *b);
    b->scratch.arena = &b->arena;
    b->facts.max_event_bytes = MAX_EVENT_BYTES;
    b->facts.common.source = view_cstr("shop");
    b->facts.common.schema = view_cstr("shop_schema");
    b->facts.common.received_at_ms = 1796378405000;
    b->facts.common.via = VIA_API;
    b->facts.common.auth = AUTH_KEY;
    b->facts.common.request_id = view_cstr("r1");
    b->facts.common.context = view_cstr("{\"a\":1}");
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    json_doc_release(&b->doc);
    arena_release(&b->arena);
    free(b);
    return 0;
}

static void make(struct bench *b, struct view event)
{
    static const struct json_limits limits = { JSON_MAX_DEPTH, JSON_MAX_KEYS, 1 };
    struct json_fault fault;
    struct body_event body_event = { .bytes = event, .doc = &b->doc };
    bool is_scanned = json_doc_scan(&b->doc, event, &limits, &fault);
    assert_true(is_scanned);
    event_record_make(&b->facts, &body_event, SEQ, &b->scratch, &b->record);
}

static void reject(struct bench *b, struct view bytes, const char *detail)
{
    struct body_event event = { .bytes = bytes, .reason = REJECT_NOT_JSON };
    snprintf(event.detail, sizeof event.detail, "%s", detail);
    event_record_make(&b->facts, &event, SEQ, &b->scratch, &b->record);
}

static void test_the_topic_follows_from_the_type(void **state)
{
    static const struct {
        const char *event;
        bool has_path_type;
        enum event_type topic;
        const char *type_header, *reason;
    } rows[] = {
        { "{\"type\":\"track\"}", false, EVENT_TRACK, "", "" },
        { "{\"type\":\"track\"}", true, EVENT_TRACK, "", "" },
        { "{\"type\":\"tr\\u0061ck\"}", false, EVENT_TRACK, "", "" },
        { "{\"type\":\"page\",\"type\":\"alias\"}", false, EVENT_ALIAS, "", "" },
        { "{\"type\":\"delete\"}", false, EVENT_DELETE, "", "" },
        { "{}", true, EVENT_GROUP, "group", "" },
        { "{\"type\":null}", true, EVENT_GROUP, "group", "" },
        { "{}", false, EVENT_REJECTED, "", "unknown event type" },
        { "{\"type\":\"rejected\"}", true, EVENT_REJECTED, "", "unknown event type" },
        { "{\"type\":\"Track\"}", true, EVENT_REJECTED, "", "unknown event type" },
        { "{\"type\":\"\"}", true, EVENT_REJECTED, "", "unknown event type" },
        { "{\"type\":7}", true, EVENT_REJECTED, "", "unknown event type" },
    };
    struct bench *b = *state;
    b->facts.path_type = EVENT_GROUP;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        b->facts.has_path_type = rows[i].has_path_type;
        make(b, view_cstr(rows[i].event));
        assert_int_equal(b->record.topic, rows[i].topic);
        assert_true(view_equal_cstr(b->record.type, rows[i].type_header));
        assert_true(view_equal_cstr(b->record.reason, rows[i].reason));
        assert_true(view_equal_cstr(b->record.value, rows[i].event));
    }
    b->facts.has_path_type = false;
}

static void test_the_key_is_the_message_id(void **state)
{
    struct bench *b = *state;
    make(b, view_cstr("{\"type\":\"track\",\"messageId\":\"m-1\"}"));
    assert_true(view_equal_cstr(b->record.key, "m-1"));
    make(b, view_cstr("{\"type\":\"nonsense\",\"messageId\":\"m-2\"}"));
    assert_true(view_equal_cstr(b->record.key, "m-2"));
    make(b, view_cstr("{\"type\":\"track\"}"));
    assert_int_equal(b->record.key.len, MESSAGE_ID_HASH_BYTES);
}

static void test_a_record_carries_the_facts_of_its_request(void **state)
{
    struct bench *b = *state;
    make(b, view_cstr("{\"type\":\"track\"}"));
    assert_true(view_equal_cstr(b->record.source, "shop"));
    assert_true(view_equal_cstr(b->record.schema, "shop_schema"));
    assert_int_equal(b->record.received_at_ms, 1796378405000);
    assert_int_equal(b->record.seq, SEQ);
    assert_int_equal(b->record.via, VIA_API);
    assert_int_equal(b->record.auth, AUTH_KEY);
    assert_true(view_equal_cstr(b->record.context, "{\"a\":1}"));
    assert_int_equal(b->record.detail.len, 0);
}

/* An event of `size` bytes in all. */
static struct view event_of(struct bench *b, size_t size)
{
    static const char head[] = "{\"type\":\"track\",\"messageId\":\"m\",\"x\":\"";
    char *text = arena_alloc(&b->arena, size);
    memset(text, 'x', size);
    memcpy(text, head, strlen(head));
    text[size - 2] = '"';
    text[size - 1] = '}';
    return view_of(text, size);
}

static void test_an_event_over_the_limit_is_cut_and_described(void **state)
{
    struct bench *b = *state;
    make(b, event_of(b, MAX_EVENT_BYTES - 2000));
    assert_int_equal(b->record.topic, EVENT_TRACK);
    make(b, event_of(b, MAX_EVENT_BYTES));
    assert_int_equal(b->record.topic, EVENT_REJECTED);
    assert_true(view_equal_cstr(b->record.reason, "event too large"));
    assert_true(view_equal_cstr(b->record.key, "m"));
    assert_int_equal(b->record.value.len, REJECT_KEPT_BYTES);
    assert_true(view_starts_with(b->record.detail, view_cstr("1048576 bytes, sha256 ")));
}

static void test_the_batch_context_counts_towards_the_limit(void **state)
{
    struct bench *b = *state;
    struct view before = b->facts.common.context;
    make(b, event_of(b, MAX_EVENT_BYTES - 10000));
    assert_int_equal(b->record.topic, EVENT_TRACK);
    b->facts.common.context = event_of(b, 20000);
    make(b, event_of(b, MAX_EVENT_BYTES - 10000));
    assert_int_equal(b->record.topic, EVENT_REJECTED);
    b->facts.common.context = before;
}

static void test_bytes_that_are_no_event_are_kept_whole_up_to_the_limit(void **state)
{
    struct bench *b = *state;
    char *bytes = arena_alloc(&b->arena, MAX_EVENT_BYTES + 1);
    memset(bytes, 'x', MAX_EVENT_BYTES + 1);
    reject(b, view_of(bytes, MAX_EVENT_BYTES / 2), "here");
    assert_int_equal(b->record.topic, EVENT_REJECTED);
    assert_int_equal(b->record.value.len, MAX_EVENT_BYTES / 2);
    assert_true(view_equal_cstr(b->record.reason, "not json"));
    assert_true(view_equal_cstr(b->record.detail, "here"));
    reject(b, view_of(bytes, MAX_EVENT_BYTES + 1), "here");
    assert_int_equal(b->record.value.len, REJECT_KEPT_BYTES);
    assert_true(
        view_starts_with(b->record.detail, view_cstr("here; 1048577 bytes, sha256 ")));
}

static void test_the_same_bytes_rejected_again_have_the_same_key(void **state)
{
    struct bench *b = *state;
    char first[MESSAGE_ID_HASH_BYTES];
    reject(b, view_cstr("{"), "");
    assert_int_equal(b->record.key.len, MESSAGE_ID_HASH_BYTES);
    memcpy(first, b->record.key.data, MESSAGE_ID_HASH_BYTES);
    reject(b, view_cstr("{"), "other");
    assert_memory_equal(b->record.key.data, first, MESSAGE_ID_HASH_BYTES);
    reject(b, view_cstr("["), "");
    assert_memory_not_equal(b->record.key.data, first, MESSAGE_ID_HASH_BYTES);
}

static void test_a_rejected_event_keeps_reason_and_detail_of_the_split(void **state)
{
    struct bench *b = *state;
    struct body_event event = { .bytes = view_cstr("nan"),
                                .reason = REJECT_NOT_JSON,
                                .detail = "a value was expected at byte 0" };
    event_record_make(&b->facts, &event, SEQ, &b->scratch, &b->record);
    assert_int_equal(b->record.topic, EVENT_REJECTED);
    assert_true(view_equal_cstr(b->record.reason, "not json"));
    assert_true(view_equal_cstr(b->record.detail, "a value was expected at byte 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_topic_follows_from_the_type),
        cmocka_unit_test(test_the_key_is_the_message_id),
        cmocka_unit_test(test_a_record_carries_the_facts_of_its_request),
        cmocka_unit_test(test_an_event_over_the_limit_is_cut_and_described),
        cmocka_unit_test(test_the_batch_context_counts_towards_the_limit),
        cmocka_unit_test(test_bytes_that_are_no_event_are_kept_whole_up_to_the_limit),
        cmocka_unit_test(test_the_same_bytes_rejected_again_have_the_same_key),
        cmocka_unit_test(test_a_rejected_event_keeps_reason_and_detail_of_the_split),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

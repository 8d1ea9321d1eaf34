/* Names the two processes agree on: types, topics, reasons, schemas, slugs, message ids.
 */
#include "common/base/buf.h"
#include "common/contract/event_type.h"
#include "common/contract/message_id.h"
#include "common/contract/reject_reason.h"
#include "common/contract/schema_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_types_and_topics_read_back_as_written(void **state)
{
    char name[TOPIC_NAME_BYTES];
    enum event_type type;
    (void)state;
    for (int i = 0; i < EVENT_TYPES; i++) {
        topic_name_format("a.b", (enum event_type)i, name);
        assert_true(topic_name_parse("a.b", view_cstr(name), &type));
        assert_int_equal(type, i);
        assert_int_equal(
            event_type_parse(view_cstr(event_type_name((enum event_type)i)), &type),
            i != EVENT_REJECTED);
    }
    assert_false(topic_name_parse("a", view_cstr("a.b.track"), &type));
    assert_false(topic_name_parse("a.b", view_cstr("a.btrack"), &type));
    assert_false(event_type_parse(view_cstr("Track"), &type));
    assert_false(event_type_parse(view_cstr("track "), &type));
    assert_true(topic_prefix_is_valid("segment"));
    assert_false(topic_prefix_is_valid(""));
    assert_false(topic_prefix_is_valid("a/b"));
}

static void test_reasons_read_back_as_written(void **state)
{
    (void)state;
    for (int i = REJECT_NOT_JSON; i <= REJECT_CONSTRAINT; i++) {
        const char *text = reject_reason_text((enum reject_reason)i);
        assert_int_equal(reject_reason_parse(view_cstr(text)), i);
    }
    assert_int_equal(reject_reason_parse(view_cstr("whatever")), REJECT_INVALID_RECORD);
    assert_string_equal(reject_reason_text(reject_reason_of_fault(JSON_NOT_UTF8)),
                        "invalid utf-8");
}

static void test_schemas_and_slugs_come_from_names(void **state)
{
    static const struct {
        const char *name, *schema, *slug; /* NULL: refused */
    } rows[] = {
        { "Stitch Segment", "stitch_segment", "stitch-segment" },
        { "  --Web (EU)!! ", "web_eu", "web-eu" },
        { "2nd Source", "s_2nd_source", "2nd-source" },
        { "Gr\xc3\xb6\xc3\x9f"
          "e",
          "gr_e", "gr-e" },
        { "public", NULL, "public" },
        { "Information Schema", NULL, "information-schema" },
        { "PG stats", NULL, "pg-stats" },
        { "Backstitch", NULL, "backstitch" },
        { "", NULL, NULL },
        { "\xe6\x95\xb0\xe9\x87\x8f", NULL, NULL },
        { "a123456789012345678901234567890123456789012345678", NULL,
          "a123456789012345678901234567890123456789012345678" },
    };
    char schema[SCHEMA_NAME_MAX_BYTES + 1];
    char slug[SLUG_MAX_BYTES + 1];
    struct error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool has_schema = schema_name_from(view_cstr(rows[i].name), schema, &err);
        assert_int_equal(has_schema, rows[i].schema != NULL);
        if (has_schema) {
            assert_string_equal(schema, rows[i].schema);
            assert_true(schema_name_is_valid(view_cstr(schema)));
        }
        bool has_slug = schema_name_slug(view_cstr(rows[i].name), slug, &err);
        assert_int_equal(has_slug, rows[i].slug != NULL);
        if (has_slug) {
            assert_string_equal(slug, rows[i].slug);
        }
    }
    assert_false(schema_name_is_valid(view_cstr("Shop")));
    assert_false(schema_name_is_valid(view_cstr("_shop")));
    assert_false(schema_name_is_valid(view_of("a\0b", 3)));
}

static void test_message_ids_are_found_or_derived(void **state)
{
    static const struct json_limits limits = { JSON_MAX_DEPTH, JSON_MAX_KEYS, 1 };
    static const struct {
        const char *event, *id; /* NULL: derived */
    } rows[] = {
        { "{\"messageId\":\"m1\",\"message_id\":\"m2\"}", "m1" },
        { "{\"message_id\":\"m2\",\"messageid\":\"m3\"}", "m2" },
        { "{\"messageid\":\"m3\"}", "m3" },
        { "{\"messageId\":null,\"message_id\":\"m2\"}", "m2" },
        { "{\"messageId\":12.50}", "12.50" },
        { "{\"messageId\":\"a\\u0000\"}", "a\xef\xbf\xbd" },
        { "{\"messageId\":\"first\",\"messageId\":\"last\"}", "last" },
        { "{\"messageId\":\"\"}", NULL },
        { "{\"messageId\":true}", NULL },
        { "{\"messageId\":[1]}", NULL },
        { "{\"messageId\":\"\",\"message_id\":\"m2\"}", NULL },
        { "{}", NULL },
    };
    struct json_doc doc = { 0 };
    struct arena arena = { 0 };
    struct json_fault fault;
    struct message_id id;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char derived[MESSAGE_ID_HASH_BYTES + 1];
        assert_true(json_doc_scan(&doc, view_cstr(rows[i].event), &limits, &fault));
        message_id_of_event(&doc, view_cstr("shop"), &arena, &id);
        message_id_derive(view_cstr("shop"), view_cstr(rows[i].event), derived);
        const char *want = rows[i].id == NULL ? derived : rows[i].id;
        if (!view_equal_cstr(id.text, want)) {
            fail_msg("%s: got %.*s", rows[i].event, VIEW_ARG(id.text));
        }
    }
    arena_release(&arena);
    json_doc_release(&doc);
}

static void test_a_derived_id_is_the_digest_of_source_and_bytes(void **state)
{
    char id[MESSAGE_ID_HASH_BYTES + 1];
    (void)state;
    /* printf 'shop\0{}' | sha256sum */
    message_id_derive(view_cstr("shop"), view_cstr("{}"), id);
    assert_int_equal(strlen(id), MESSAGE_ID_HASH_BYTES);
    char other[MESSAGE_ID_HASH_BYTES + 1];
    message_id_derive(view_cstr("sho"), view_cstr("p{}"), other);
    assert_string_not_equal(id, other);
    /* printf 'a\0b' | sha256sum */
    message_id_derive(view_cstr("a"), view_cstr("b"), id);
    assert_string_equal(id, "sha256:59b271ae1bbcb1d31d41929817f4b16f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_and_topics_read_back_as_written),
        cmocka_unit_test(test_reasons_read_back_as_written),
        cmocka_unit_test(test_schemas_and_slugs_come_from_names),
        cmocka_unit_test(test_message_ids_are_found_or_derived),
        cmocka_unit_test(test_a_derived_id_is_the_digest_of_source_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

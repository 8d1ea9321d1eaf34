/* The record's headers: what is written is read back, and what others write is judged. */
#include "common/contract/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct record full(void)
{
    struct record r = { .source = VIEW_LITERAL("shop"),
                        .schema = VIEW_LITERAL("shop_schema"),
                        .received_at_ms = 1796378405000,
                        .seq = 999999,
                        .via = VIA_IMPORT,
                        .auth = AUTH_SIGNATURE_FIRST,
                        .request_id = VIEW_LITERAL("r1"),
                        .sent_at = VIEW_LITERAL("2026-12-04T10:00:00Z"),
                        .context = VIEW_LITERAL("{\"a\":1}"),
                        .integrations = VIEW_LITERAL("{}"),
                        .ip = VIEW_LITERAL("10.0.0.1"),
                        .type = VIEW_LITERAL("track"),
                        .traceparent = VIEW_LITERAL("00-x-y-01"),
                        .reason = VIEW_LITERAL("not json"),
                        .detail = VIEW_LITERAL("at byte 3") };
    return r;
}

static void test_headers_read_back_as_written(void **state)
{
    struct record written = full();
    struct record read = { .received_at_ms = 0 };
    struct record_header headers[RECORD_HEADERS_MAX];
    char scratch[RECORD_SCRATCH_BYTES];
    struct error err;
    (void)state;
    size_t count = record_encode_headers(&written, scratch, headers);
    assert_int_equal(count, 16);
    assert_true(record_decode_headers(headers, count, &read, &err));
    assert_true(view_equal(read.source, written.source));
    assert_true(view_equal(read.schema, written.schema));
    assert_int_equal(read.received_at_ms, written.received_at_ms);
    assert_int_equal(read.seq, written.seq);
    assert_int_equal(read.via, written.via);
    assert_int_equal(read.auth, written.auth);
    assert_true(view_equal(read.context, written.context));
    assert_true(view_equal(read.type, written.type));
    assert_true(view_equal(read.detail, written.detail));
    assert_true(record_sequence(&read) == 1796378405000999999);
}

static void test_absent_headers_are_not_written(void **state)
{
    struct record r = { .source = VIEW_LITERAL("s"), .schema = VIEW_LITERAL("s") };
    struct record_header headers[RECORD_HEADERS_MAX];
    char scratch[RECORD_SCRATCH_BYTES];
    (void)state;
    assert_int_equal(record_encode_headers(&r, scratch, headers), 7);
}

struct change {
    const char *name, *value; /* value NULL: the header is missing */
    bool is_valid;
};

static void test_foreign_headers_are_judged(void **state)
{
    static const struct change changes[] = {
        { "v", "1", true },
        { "v", "1.7", true },
        { "v", "2", false },
        { "v", "10", false },
        { "v", NULL, false },
        { "seq", "0", true },
        { "seq", "1000000", false },
        { "seq", "-1", false },
        { "seq", "1x", false },
        { "seq", NULL, false },
        { "received-at", "", false },
        { "received-at", "99999999999999999999", false },
        { "received-at", NULL, false },
        { "received-at", "9300000000000", false },
        { "via", "api", true },
        { "via", "fax", false },
        { "via", NULL, false },
        { "auth", "token", true },
        { "auth", "Token", false },
        { "auth", NULL, false },
        { "source", NULL, false },
        { "source", "", false },
        { "schema", NULL, true },
        { "unheard-of", "x", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct record written = full();
        struct record read = { .received_at_ms = 0 };
        struct record_header headers[RECORD_HEADERS_MAX];
        char scratch[RECORD_SCRATCH_BYTES];
        struct error err;
        size_t count = record_encode_headers(&written, scratch, headers);
        bool is_known = false;
        for (size_t h = 0; h < count; h++) {
            if (view_equal_cstr(headers[h].name, changes[i].name)) {
                is_known = true;
                headers[h].value = view_cstr(changes[i].value);
                if (changes[i].value == NULL) {
                    headers[h] = headers[--count];
                    break;
                }
            }
        }
        if (!is_known) {
            headers[count].name = view_cstr(changes[i].name);
            headers[count++].value = view_cstr(changes[i].value);
        }
        if (record_decode_headers(headers, count, &read, &err) != changes[i].is_valid) {
            fail_msg("%s=%s", changes[i].name,
                     changes[i].value == NULL ? "(missing)" : changes[i].value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_read_back_as_written),
        cmocka_unit_test(test_absent_headers_are_not_written),
        cmocka_unit_test(test_foreign_headers_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

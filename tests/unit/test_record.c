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

struct encoded {
    struct record_facts facts;
    char scratch[RECORD_FACTS_BYTES];
    struct record_header headers[RECORD_HEADERS_MAX];
    size_t count;
};

static void encode(const struct record *r, struct encoded *out)
{
    record_facts_format(r, &out->facts);
    out->count = record_encode_headers(r, &out->facts, out->scratch, out->headers);
}

static void assert_view(struct view v, const char *wanted)
{
    if (!view_equal_cstr(v, wanted)) {
        fail_msg("'%.*s' is not '%s'", VIEW_ARG(v), wanted);
    }
}

static void test_headers_read_back_as_written(void **state)
{
    struct record written = full();
    struct record read = { .received_at_ms = 0 };
    struct encoded e;
    struct error err;
    (void)state;
    encode(&written, &e);
    assert_int_equal(e.count, 7);
    assert_true(record_decode_headers(e.headers, e.count, &read, &err));
    assert_view(read.source, "shop");
    assert_view(read.schema, "shop_schema");
    assert_int_equal(read.received_at_ms, written.received_at_ms);
    assert_int_equal(read.seq, written.seq);
    assert_int_equal(read.via, written.via);
    assert_int_equal(read.auth, written.auth);
    assert_view(read.request_id, "r1");
    assert_view(read.ip, "10.0.0.1");
    assert_view(read.type, "track");
    assert_view(read.sent_at, "2026-12-04T10:00:00Z");
    assert_view(read.context, "{\"a\":1}");
    assert_view(read.integrations, "{}");
    assert_view(read.traceparent, "00-x-y-01");
    assert_view(read.reason, "not json");
    assert_view(read.detail, "at byte 3");
    assert_true(record_sequence(&read) == 1796378405000999999);
}

static void test_what_every_record_has_is_one_header(void **state)
{
    struct record r = { .source = VIEW_LITERAL("shop"),
                        .schema = VIEW_LITERAL("shop_schema"),
                        .received_at_ms = 1796378405000,
                        .seq = 40,
                        .via = VIA_API,
                        .auth = AUTH_KEY,
                        .request_id = VIEW_LITERAL("r-1") };
    struct encoded e;
    (void)state;
    encode(&r, &e);
    assert_int_equal(e.count, 1);
    assert_view(e.headers[0].name, "backstitch");
    assert_view(e.headers[0].value,
                "v=1;source=shop;schema=shop_schema;received-at=1796378405000;via=api;"
                "auth=key;request-id=r-1;seq=40");
}

/* A value with a ';' would be read as further facts: what comes from outside is left
 * out. */
static void test_no_value_can_add_a_fact(void **state)
{
    struct record written = full();
    struct record read = { .received_at_ms = 0 };
    struct encoded e;
    struct error err;
    (void)state;
    written.ip = view_cstr("1.2.3.4;auth=token");
    written.request_id = view_cstr("x;schema=other");
    encode(&written, &e);
    assert_true(record_decode_headers(e.headers, e.count, &read, &err));
    assert_int_equal(read.auth, AUTH_SIGNATURE_FIRST);
    assert_view(read.schema, "shop_schema");
    assert_int_equal(read.ip.len, 0);
    assert_int_equal(read.request_id.len, 0);
}

static void test_the_longest_facts_have_room(void **state)
{
    static char slug[64], schema[48], id[64], ip[45];
    struct record written = full();
    struct record read = { .received_at_ms = 0 };
    struct encoded e;
    struct error err;
    (void)state;
    memset(slug, 'a', sizeof slug);
    memset(schema, 'b', sizeof schema);
    memset(id, 'c', sizeof id);
    memset(ip, 'd', sizeof ip);
    written.source = view_of(slug, sizeof slug);
    written.schema = view_of(schema, sizeof schema);
    written.request_id = view_of(id, sizeof id);
    written.ip = view_of(ip, sizeof ip);
    written.type = view_cstr("identify");
    encode(&written, &e);
    assert_true(record_decode_headers(e.headers, e.count, &read, &err));
    assert_true(view_equal(read.source, written.source));
    assert_true(view_equal(read.ip, written.ip));
    assert_view(read.type, "identify");
}

/* Facts that other versions or other programs write; `facts` NULL: no such header. */
static void test_foreign_facts_are_judged(void **state)
{
    static const struct {
        const char *facts;
        bool is_valid;
    } cases[] = {
        { "v=1;source=s;received-at=5;seq=0;via=api;auth=token", true },
        { "v=1.7;source=s;received-at=5;seq=999999;via=api;auth=key", true },
        { "auth=none;via=pixel;seq=1;received-at=5;source=s;v=1", true },
        { "v=1;source=s;received-at=5;seq=0;via=api;auth=token;new=x;odd;=;", true },
        { "v=2;source=s;received-at=5;seq=0;via=api;auth=token", false },
        { "v=10;source=s;received-at=5;seq=0;via=api;auth=token", false },
        { "source=s;received-at=5;seq=0;via=api;auth=token", false },
        { "v=1;source=s;received-at=5;seq=1000000;via=api;auth=token", false },
        { "v=1;source=s;received-at=5;seq=-1;via=api;auth=token", false },
        { "v=1;source=s;received-at=5;seq=1x;via=api;auth=token", false },
        { "v=1;source=s;received-at=5;via=api;auth=token", false },
        { "v=1;source=s;received-at=;seq=0;via=api;auth=token", false },
        { "v=1;source=s;seq=0;via=api;auth=token", false },
        { "v=1;source=s;received-at=99999999999999999999;seq=0;via=api;auth=key", false },
        { "v=1;source=s;received-at=9300000000000;seq=0;via=api;auth=token", false },
        { "v=1;source=s;received-at=5;seq=0;via=fax;auth=token", false },
        { "v=1;source=s;received-at=5;seq=0;auth=token", false },
        { "v=1;source=s;received-at=5;seq=0;via=api;auth=Token", false },
        { "v=1;source=s;received-at=5;seq=0;via=api", false },
        { "v=1;source=;received-at=5;seq=0;via=api;auth=token", false },
        { "v=1;received-at=5;seq=0;via=api;auth=token", false },
        { "", false },
        { NULL, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record read = { .received_at_ms = 0 };
        struct record_header header = { VIEW_LITERAL("backstitch"),
                                        view_cstr(cases[i].facts) };
        struct error err;
        size_t count = cases[i].facts == NULL ? 0 : 1;
        if (record_decode_headers(&header, count, &read, &err) != cases[i].is_valid) {
            fail_msg("%s", cases[i].facts == NULL ? "(no header)" : cases[i].facts);
        }
    }
}

/* What can be read is kept, for the rejected record. */
static void test_an_invalid_header_leaves_what_it_holds(void **state)
{
    struct record read = { .received_at_ms = 0 };
    struct record_header header = { VIEW_LITERAL("backstitch"),
                                    VIEW_LITERAL("v=1;source=s;schema=sch;seq=x") };
    struct error err;
    (void)state;
    assert_false(record_decode_headers(&header, 1, &read, &err));
    assert_int_equal(err.class, ERROR_INVALID);
    assert_view(read.source, "s");
    assert_view(read.schema, "sch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_read_back_as_written),
        cmocka_unit_test(test_what_every_record_has_is_one_header),
        cmocka_unit_test(test_no_value_can_add_a_fact),
        cmocka_unit_test(test_the_longest_facts_have_room),
        cmocka_unit_test(test_foreign_facts_are_judged),
        cmocka_unit_test(test_an_invalid_header_leaves_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

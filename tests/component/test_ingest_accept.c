/* From a request to its answer and its records: real civetweb, real registry, a fake
 * durable port. The rows of the table of status codes (reliability.md, 3.1). */
#include "tests/support/ingest_bed.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/contract/reject_reason.h"
#include "common/service/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ACK_TIMEOUT_MS INGEST_BED_ACK_TIMEOUT_MS
#define MAX_BODY_BYTES INGEST_BED_MAX_BODY_BYTES
#define MAX_EVENT_BYTES INGEST_BED_MAX_EVENT_BYTES
#define BUDGET_BYTES INGEST_BED_BUDGET_BYTES

static bool answer_says(struct ingest_bed *b, const char *text)
{
    return strstr(buf_cstr(&b->answer.body), text) != NULL;
}

static bool has_header(struct ingest_bed *b, const char *name)
{
    struct view value;
    return http_answer_header(&b->answer, name, &value);
}

/* What was kept, as "track rejected:not json ..". */
static const char *kept(struct ingest_bed *b, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < b->durable->count; i++) {
        const struct record *r = &b->durable->records[i];
        buf_printf(out, "%s%s", i == 0 ? "" : " ", event_type_name(r->topic));
        if (r->reason.len > 0) {
            buf_printf(out, ":%.*s", VIEW_ARG(r->reason));
        }
    }
    return buf_cstr(out);
}

struct row {
    const char *line, *headers, *body;
    int status;
    const char *code; /* NULL: success */
    const char *kept;
};

#define WEBHOOK "POST /webhook/shop"
#define TRACK "{\"type\":\"track\"}"
/* HMAC-SHA1("sec", TRACK) */
#define SIGNED "X-Signature: f9384bfcd984e92059a6c81ad3537315abd9cb74\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static const struct row rows[] = {
    /* accepted */
    { WEBHOOK, TOKEN, TRACK, 200, NULL, "track" },
    { "PUT /webhook/shop", TOKEN, TRACK, 200, NULL, "track" },
    { "POST /webhook/shop/tok", "", TRACK, 200, NULL, "track" },
    { "POST /webhook/open", "", TRACK, 200, NULL, "track" },
    { WEBHOOK, "X-Api-Key: tok\r\n", "[" TRACK ",{\"type\":\"page\"}]", 200, NULL,
      "track page" },
    { "POST /v1/group", KEY, "{}", 200, NULL, "group" },
    { "POST /v1/batch", KEY, "{\"batch\":[" TRACK "]}", 200, NULL, "track" },
    { "POST /v1/batch?writeKey=wk", "", "{\"batch\":[" TRACK "]}", 200, NULL, "track" },
    { "POST /v1/batch", "", "{\"batch\":[" TRACK "],\"writeKey\":\"wk\"}", 200, NULL,
      "track" },
    { "POST /v1/batch", "", "{\"batch\":[{\"type\":\"track\",\"writeKey\":\"wk\"}]}", 200,
      NULL, "track" },
    { "POST /v1/t", KEY "Content-Type: application/x-www-form-urlencoded\r\n", TRACK, 200,
      NULL, "track" },
    { WEBHOOK, TOKEN, "{\"type\":\"delete\",\"userId\":\"u\"}", 200, NULL, "delete" },
    { WEBHOOK, SIGNED, "[" TRACK ",7]", 200, NULL, "track rejected:not an object" },
    /* an event's own property */
    { WEBHOOK, TOKEN, "{\"type\":\"track\",\"batch\":[7]}", 200, NULL, "track" },
    { "POST /v1/track", KEY, "{\"type\":\"track\",\"batch\":[7]}", 200, NULL, "track" },
    /* JSON under a form's header */
    { WEBHOOK, TOKEN FORM, "[{\"body\":\"a=1\"}]", 200, NULL,
      "rejected:unknown event type" },
    { WEBHOOK, TOKEN FORM, TRACK, 200, NULL, "track" },
    /* nothing to keep */
    { WEBHOOK, TOKEN, "[]", 200, NULL, "" },
    { "POST /v1/batch", KEY, "{\"batch\":[]}", 200, NULL, "" },
    { "POST /v1/m", "", "{\"series\":[]}", 200, NULL, "" },
    /* some are no events */
    { WEBHOOK, TOKEN, "[7," TRACK ",{\"type\":\"x\"},{\"a\":NaN}]", 200, NULL,
      "rejected:not an object track rejected:unknown event type rejected:not json" },
    { WEBHOOK, TOKEN, "{}", 200, NULL, "rejected:unknown event type" },
    /* not to be split: kept, then refused */
    { WEBHOOK, TOKEN, "{", 400, "invalid_body", "rejected:not json" },
    { WEBHOOK, TOKEN, "", 400, "invalid_body", "rejected:not json" },
    { WEBHOOK, TOKEN, "{\"a\":\"\xff\"}", 400, "invalid_body", "rejected:invalid utf-8" },
    { WEBHOOK, TOKEN, "7", 400, "invalid_body", "rejected:not an object" },
    { "POST /v1/t", KEY, "{\"a\":1,}", 400, "invalid_body", "rejected:not json" },
    { WEBHOOK, TOKEN "Content-Type: application/x-www-form-urlencoded; charset=x\r\n",
      "a=1", 400, "invalid_body", "rejected:form-encoded body" },
    /* not to be decoded: kept as sent, then refused */
    { WEBHOOK, TOKEN "Content-Encoding: br\r\n", TRACK, 415, "unsupported_encoding",
      "rejected:not json" },
    { "POST /v1/t", KEY "Content-Encoding: br\r\n", TRACK, 415, "unsupported_encoding",
      "rejected:not json" },
    { "POST /v1/t", "Content-Encoding: br\r\n", TRACK, 415, "unsupported_encoding", "" },
    { WEBHOOK, TOKEN "Content-Encoding: gzip\r\n", TRACK, 400, "invalid_body",
      "rejected:not json" },
    { WEBHOOK, "Content-Encoding: gzip\r\n", TRACK, 503, "unauthorized", "" },
    { WEBHOOK, SIGNED "Content-Encoding: br\r\n", TRACK, 415, "unsupported_encoding",
      "rejected:not json" },
    /* torn, but it says whose it is */
    { "POST /v1/b", "", "{\"batch\":[,{}],\"writeKey\":\"wk\"}", 400, "invalid_body",
      "rejected:not json" },
    { "POST /v1/b", "", "{\"batch\":[,{}],\"writeKey\":\"no\"}", 400, "invalid_body",
      "" },
    /* webhooks: never a status that ends the event */
    { "POST /webhook/nobody", TOKEN, TRACK, 503, "unknown_source", "" },
    { WEBHOOK, "", TRACK, 503, "unauthorized", "" },
    { WEBHOOK, "", "{", 503, "unauthorized", "" },
    { WEBHOOK, "Content-Type: application/x-www-form-urlencoded\r\n", "a=1", 503,
      "unauthorized", "" },
    { WEBHOOK, "Authorization: Bearer wrong\r\n", TRACK, 503, "unauthorized", "" },
    { WEBHOOK, "X-Signature: 00\r\n", TRACK, 503, "unauthorized", "" },
    { "POST /webhook/shop/wrong", "", TRACK, 503, "unauthorized", "" },
    /* SDK routes */
    { "POST /v1/track", "", TRACK, 401, "unauthorized", "" },
    { "POST /v1/track?writeKey=no", "", TRACK, 401, "unauthorized", "" },
    { "POST /v1/track", "Authorization: Basic bm86\r\n", TRACK, 401, "unauthorized", "" },
    { "POST /v1/batch", "", "{\"batch\":[],\"writeKey\":\"no\"}", 401, "unauthorized",
      "" },
    { "POST /v1/track", "", "{", 400, "invalid_body", "" },
    /* paths as they come */
    { "POST //v1//track/", KEY, TRACK, 200, NULL, "track" },
    { "POST //webhook//shop//", TOKEN, TRACK, 200, NULL, "track" },
    { "POST /%761/tr%61ck", KEY, TRACK, 200, NULL, "track" },
    { "POST http://events.example.org/v1/track", KEY, TRACK, 200, NULL, "track" },
    { "POST https://other.example:444/v1/batch?writeKey=wk", "",
      "{\"batch\":[" TRACK "]}", 200, NULL, "track" },
    { "POST http://events.example.org/nowhere", KEY, TRACK, 404, "not_found", "" },
    { "DELETE http://events.example.org/v1/track", "", "", 405, "wrong_method", "" },
    /* no route */
    { "POST *", "", TRACK, 404, "not_found", "" },
    { "GET /v1/projects/no/settings", "", "", 404, "not_found", "" },
    { "POST /v1/projects/wk/settings", "", "", 405, "wrong_method", "" },
    { "POST /nowhere", "", TRACK, 404, "not_found", "" },
    { "GET /v1/track", "", "", 405, "wrong_method", "" },
    { "DELETE /webhook/shop", "", "", 405, "wrong_method", "" },
};

static void check_row(struct ingest_bed *b, const struct row *row, struct buf *found)
{
    char code[64] = "{\"success\":true}";
    fake_durable_reset(b->durable, FAKE_KEEPS);
    int status = ingest_bed_exchange(b, row->line, row->headers, view_cstr(row->body));
    if (row->code != NULL) {
        snprintf(code, sizeof code, "{\"success\":false,\"code\":\"%s\",", row->code);
    }
    if (status != row->status || !answer_says(b, code) ||
        strcmp(kept(b, found), row->kept) != 0) {
        fail_msg("%s %s: %d %s, kept '%s'", row->line, row->body, status,
                 buf_cstr(&b->answer.body), buf_cstr(found));
    }
    if (!has_header(b, "X-Request-Id") ||
        has_header(b, "Retry-After") != (status == 503) ||
        has_header(b, "Allow") != (status == 405)) {
        fail_msg("%s: headers of %d: %s", row->line, status, buf_cstr(&b->answer.head));
    }
}

static void test_each_request_gets_its_status_and_leaves_its_records(void **state)
{
    struct ingest_bed *b = *state;
    struct buf found = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_row(b, &rows[i], &found);
    }
    buf_release(&found);
}

static void test_what_is_not_durable_is_never_acknowledged(void **state)
{
    static const struct {
        enum fake_durable_mode mode;
        unsigned late, refused;
    } modes[] = { { FAKE_IS_LATE, 1, 0 }, { FAKE_FAILS, 0, 1 }, { FAKE_IS_AWAY, 0, 0 } };
    struct ingest_bed *b = *state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        fake_durable_reset(b->durable, modes[i].mode);
        int64_t start = clock_mono_ms();
        assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, view_cstr(TRACK)), 503);
        assert_true(answer_says(b, "\"unavailable\""));
        assert_true(has_header(b, "Retry-After"));
        bool waited = clock_mono_ms() - start >= ACK_TIMEOUT_MS;
        assert_int_equal(waited, modes[i].mode == FAKE_IS_LATE);
        assert_int_equal(b->durable->ended[DELIVERY_LATE], modes[i].late);
        assert_int_equal(b->durable->ended[DELIVERY_REFUSED], modes[i].refused);
        static const char *const rejected[] = { "{", "7", "[7," TRACK "]" };
        for (size_t k = 0; k < sizeof rejected / sizeof rejected[0]; k++) {
            struct view body = view_cstr(rejected[k]);
            fake_durable_reset(b->durable, modes[i].mode);
            assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, body), 503);
        }
    }
    fake_durable_end_all(b->durable, true);
}

/* The status is that of the table; the picture is always there. */
static void test_a_pixel_always_gets_its_picture(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *kept;
    } pixels[] = {
        { "GET /v1/pixel/track?writeKey=wk&data=e30", 200, "track" },
        { "GET /pixel/page?data=eyJ3cml0ZUtleSI6IndrIn0=", 200, "page" },
        { "GET http://h/pixel/page?data=eyJ3cml0ZUtleSI6IndrIn0=", 200, "page" },
        { "GET /v1/pixel/track?writeKey=wk&data=ew", 400, "rejected:not json" },
        { "GET /v1/pixel/track?writeKey=wk", 400, "" },
        { "GET /v1/pixel/track?writeKey=no&data=e30", 401, "" },
        { "GET /v1/pixel/track?data=e30", 401, "" },
    };
    struct ingest_bed *b = *state;
    struct buf found = { 0 };
    for (size_t i = 0; i < sizeof pixels / sizeof pixels[0]; i++) {
        fake_durable_reset(b->durable, FAKE_KEEPS);
        int status = ingest_bed_exchange(b, pixels[i].line, "", view_cstr(""));
        if (status != pixels[i].status || strcmp(kept(b, &found), pixels[i].kept) != 0 ||
            !view_starts_with(buf_view(&b->answer.body), view_cstr("GIF89a"))) {
            fail_msg("%s: %d, kept '%s'", pixels[i].line, status, buf_cstr(&found));
        }
    }
    fake_durable_reset(b->durable, FAKE_IS_AWAY);
    assert_int_equal(ingest_bed_exchange(b, pixels[0].line, "", view_cstr("")), 503);
    buf_release(&found);
}

static void test_settings_without_a_public_url_are_not_found(void **state)
{
    struct ingest_bed *b = *state;
    assert_int_equal(
        ingest_bed_exchange(b, "GET /v1/projects/wk/settings", "", view_cstr("")), 404);
    assert_true(answer_says(b, "INGEST_PUBLIC_URL"));
}

static void test_options_of_the_whole_server_are_answered(void **state)
{
    struct ingest_bed *b = *state;
    assert_int_equal(ingest_bed_exchange(b, "OPTIONS *", "", view_cstr("")), 204);
    assert_true(has_header(b, "Access-Control-Allow-Methods"));
}

/* What is refused must not use up the one try of an open circuit. */
static void test_only_what_is_stored_is_handed_over(void **state)
{
    static const struct {
        const char *line, *headers, *body;
        unsigned taken;
    } requests[] = {
        { WEBHOOK, "", TRACK, 0 },
        { WEBHOOK, "X-Signature: 00\r\n", TRACK, 0 },
        { WEBHOOK, TOKEN, "[]", 0 },
        { "POST /v1/track", "Content-Encoding: br\r\n", TRACK, 0 },
        { "POST /v1/track", "Content-Encoding: gzip\r\n", TRACK, 0 },
        { WEBHOOK, "Content-Encoding: gzip\r\n", TRACK, 0 },
        { "GET /v1/pixel/track?data=e30&writeKey=no", "", "", 0 },
        { "GET /v1/projects/wk/settings", "", "", 0 },
        { "POST /v1/track", "", "{", 0 },
        { "POST /v1/track", "", TRACK, 0 },
        { "POST /v1/m", "", TRACK, 0 },
        { WEBHOOK, TOKEN, "{", 1 }, /* kept as rejected */
        { WEBHOOK, TOKEN, "[" TRACK "," TRACK ",7]", 1 },
    };
    struct ingest_bed *b = *state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        fake_durable_reset(b->durable, FAKE_KEEPS);
        (void)ingest_bed_exchange(b, requests[i].line, requests[i].headers,
                                  view_cstr(requests[i].body));
        assert_int_equal(b->durable->taken, requests[i].taken);
    }
}

static void test_an_empty_batch_tells_nothing_of_kafka(void **state)
{
    struct ingest_bed *b = *state;
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, view_cstr("[]")), 200);
    assert_int_equal(b->durable->ended[DELIVERY_IN_KAFKA], 0);
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, view_cstr(TRACK)), 200);
    assert_int_equal(b->durable->ended[DELIVERY_IN_KAFKA], 1);
}

static void test_a_record_carries_what_is_known_of_its_arrival(void **state)
{
    struct ingest_bed *b = *state;
    int64_t before = clock_real_ms();
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_int_equal(
        ingest_bed_exchange(
            b, "POST /v1/batch",
            KEY "X-Request-Id: abc\r\ntraceparent: "
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                "X-Forwarded-For: 1.2.3.4\r\n",
            view_cstr("{\"batch\":[{\"type\":\"page\",\"messageId\":\"m\"}," TRACK
                      "],\"context\":{\"a\":1},\"integrations\":{\"All\":false},"
                      "\"sentAt\":\"t\"}")),
        200);
    const struct record *r = &b->durable->records[0];
    assert_true(view_equal_cstr(r->key, "m"));
    assert_true(view_equal_cstr(r->source, "shop"));
    assert_true(view_equal_cstr(r->schema, "shop_schema"));
    assert_true(view_equal_cstr(r->request_id, "abc"));
    assert_true(view_equal_cstr(r->traceparent, trace));
    assert_true(view_equal_cstr(r->ip, "127.0.0.1")); /* nobody is trusted */
    assert_true(view_equal_cstr(r->context, "{\"a\":1}"));
    assert_true(view_equal_cstr(r->integrations, "{\"All\":false}"));
    assert_true(view_equal_cstr(r->sent_at, "t"));
    assert_int_equal(r->via, VIA_API);
    assert_int_equal(r->auth, AUTH_KEY);
    assert_true(r->received_at_ms >= before && r->received_at_ms <= clock_real_ms());
    assert_int_equal(r[1].seq, (r[0].seq + 1) % RECORD_SEQ_LIMIT);
}

static void test_members_of_a_batch_that_are_no_objects_are_left_out(void **state)
{
    struct ingest_bed *b = *state;
    assert_int_equal(
        ingest_bed_exchange(b, "POST /v1/batch", KEY,
                            view_cstr("{\"batch\":[" TRACK "],\"context\":[],"
                                      "\"integrations\":null,\"sentAt\":7}")),
        200);
    const struct record *r = &b->durable->records[0];
    assert_int_equal(r->context.len + r->integrations.len + r->sent_at.len, 0);
}

static void test_a_body_that_cannot_be_split_is_kept_with_where_and_why(void **state)
{
    struct ingest_bed *b = *state;
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, view_cstr("[7")), 400);
    assert_true(answer_says(b, "\"the body is not json: "));
    const struct record *r = &b->durable->records[0];
    assert_true(view_equal_cstr(r->reason, "not json"));
    assert_true(view_equal_cstr(r->value, "[7"));
    assert_true(r->detail.len > 0);
    assert_false(view_starts_with(r->detail, r->reason)); /* it stands before it */
}

static void test_the_strongest_credential_is_noted(void **state)
{
    static const struct {
        const char *line, *headers;
        enum record_auth auth;
    } ways[] = { { WEBHOOK, TOKEN, AUTH_TOKEN },
                 { "POST /webhook/open", "", AUTH_NONE },
                 { "POST /v1/track", KEY, AUTH_KEY } };
    struct ingest_bed *b = *state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        fake_durable_reset(b->durable, FAKE_KEEPS);
        assert_int_equal(
            ingest_bed_exchange(b, ways[i].line, ways[i].headers, view_cstr(TRACK)), 200);
        assert_int_equal(b->durable->records[0].auth, ways[i].auth);
    }
}

/* `count` spaces around an event. */
static struct view padded(struct buf *out, size_t size)
{
    buf_clear(out);
    buf_add_cstr(out, TRACK);
    memset(buf_reserve(out, size), ' ', size);
    out->len = size;
    return buf_view(out);
}

static void test_a_body_may_be_large_when_its_sender_is_known(void **state)
{
    struct ingest_bed *b = *state;
    struct buf body = { 0 };
    struct buf found = { 0 };
    const size_t stranger = 1u << 20;
    assert_int_equal(
        ingest_bed_exchange(b, WEBHOOK, TOKEN, padded(&body, MAX_BODY_BYTES)), 200);
    assert_int_equal(
        ingest_bed_exchange(b, "POST /v1/track", KEY, padded(&body, MAX_BODY_BYTES)),
        200);
    fake_durable_reset(b->durable, FAKE_KEEPS);
    assert_int_equal(
        ingest_bed_exchange(b, WEBHOOK, TOKEN, padded(&body, MAX_BODY_BYTES + 1)), 413);
    assert_string_equal(kept(b, &found), "rejected:body too large");
    assert_int_equal(b->durable->records[0].value.len, REJECT_KEPT_BYTES);
    assert_true(view_starts_with(b->durable->records[0].detail,
                                 view_cstr("the body has 3145729 bytes, the limit is "
                                           "3145728; 65536 bytes, sha256 ")));
    fake_durable_reset(b->durable, FAKE_KEEPS);
    assert_int_equal(
        ingest_bed_exchange(b, WEBHOOK, "", padded(&body, MAX_BODY_BYTES + 1)), 503);
    assert_int_equal(
        ingest_bed_exchange(b, "POST /v1/track", "", padded(&body, stranger + 1)), 413);
    assert_string_equal(kept(b, &found), "");
    buf_release(&body);
    buf_release(&found);
}

/* Anyone can send a signature; over what was not read it cannot be checked. */
static void test_a_body_that_is_too_large_is_kept_for_a_proven_sender_alone(void **state)
{
    static const struct {
        const char *line, *headers;
        int status;
        enum record_auth auth; /* of what was kept with 413 */
    } senders[] = {
        { WEBHOOK, SIGNED, 413, AUTH_SIGNATURE_FIRST },
        { WEBHOOK, TOKEN "X-Signature: 00\r\n", 413, AUTH_TOKEN },
        { WEBHOOK, "X-Signature: 0123456789012345678901234567890123456789\r\n", 503, 0 },
        { WEBHOOK, "X-Backstitch-Signature: t=1,v1=00\r\n", 503, 0 },
        { WEBHOOK, "Authorization: Bearer no\r\n", 503, 0 },
        { "POST /webhook/strict", TOKEN, 503, 0 },
        { "POST /webhook/strict", TOKEN SIGNED, 413, AUTH_TOKEN },
        { "POST /webhook/open", "", 413, AUTH_NONE },
        { "POST /v1/batch", KEY, 413, AUTH_KEY },
    };
    struct ingest_bed *b = *state;
    struct buf body = { 0 };
    buf_add_cstr(&body, "[" TRACK);
    memset(buf_reserve(&body, MAX_BODY_BYTES), ' ', MAX_BODY_BYTES);
    body.len += MAX_BODY_BYTES;
    buf_add_char(&body, ']');
    for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++) {
        fake_durable_reset(b->durable, FAKE_KEEPS);
        int status =
            ingest_bed_exchange(b, senders[i].line, senders[i].headers, buf_view(&body));
        assert_int_equal(status, senders[i].status);
        assert_int_equal(b->durable->count, status == 413 ? 1 : 0);
        if (status == 413) {
            assert_int_equal(b->durable->records[0].auth, senders[i].auth);
        }
    }
    buf_release(&body);
}

static void test_what_is_thrown_away_holds_no_budget(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c;
    struct http_answer a = { 0 };
    struct buf part = { 0 };
    http_client_open(&c, http_server_port(b->server));
    http_client_send(&c, "POST /webhook/shop HTTP/1.1\r\nHost: x\r\n" TOKEN
                         "Content-Length: 9000000\r\n\r\n");
    assert_true(http_client_try_send(&c, padded(&part, REJECT_KEPT_BYTES + 1)));
    assert_true(http_client_receive(&c, true, &a)); /* the rest is still awaited */
    assert_int_equal(a.status, 413);
    assert_int_equal(budget_used(&b->budget), 0);
    http_answer_release(&a);
    http_client_close(&c);
    buf_release(&part);
}

static void test_metrics_of_browsers_keep_their_connection(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c;
    http_client_open(&c, http_server_port(b->server));
    for (int i = 0; i < 3; i++) {
        struct http_answer a = { 0 };
        http_client_send(&c, "POST /v1/m HTTP/1.1\r\nHost: x\r\nContent-Length: "
                             "13\r\n\r\n{\"series\":[]}");
        assert_true(http_client_receive(&c, true, &a));
        assert_int_equal(a.status, 200);
        http_answer_release(&a);
    }
    http_client_close(&c);
}

static void test_an_event_over_its_limit_is_cut_and_its_neighbours_are_not(void **state)
{
    struct ingest_bed *b = *state;
    struct buf body = { 0 };
    struct buf found = { 0 };
    buf_add_cstr(&body, "[" TRACK ",{\"type\":\"track\",\"x\":\"");
    memset(buf_reserve(&body, MAX_EVENT_BYTES), 'x', MAX_EVENT_BYTES);
    body.len += MAX_EVENT_BYTES;
    buf_add_cstr(&body, "\"}," TRACK "]");
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, buf_view(&body)), 200);
    assert_string_equal(kept(b, &found), "track rejected:event too large track");
    assert_int_equal(b->durable->records[1].value.len, REJECT_KEPT_BYTES);
    buf_release(&body);
    buf_release(&found);
}

static void test_a_batch_context_over_its_limit_is_refused_and_kept(void **state)
{
    struct ingest_bed *b = *state;
    struct buf body = { 0 };
    struct buf found = { 0 };
    for (size_t extra = 0; extra < 2; extra++) {
        size_t filling = RECORD_CONTEXT_MAX_BYTES - strlen("{\"a\":\"\"}") + extra;
        buf_clear(&body);
        buf_add_cstr(&body, "{\"batch\":[" TRACK "],\"context\":{\"a\":\"");
        memset(buf_reserve(&body, filling), 'x', filling);
        body.len += filling;
        buf_add_cstr(&body, "\"}}");
        fake_durable_reset(b->durable, FAKE_KEEPS);
        assert_int_equal(ingest_bed_exchange(b, "POST /v1/batch", KEY, buf_view(&body)),
                         extra == 0 ? 200 : 413);
        assert_string_equal(kept(b, &found),
                            extra == 0 ? "track" : "rejected:context too large");
    }
    buf_release(&body);
    buf_release(&found);
}

static void test_a_batch_context_of_too_many_keys_is_too_large_first_of_all(void **state)
{
    struct ingest_bed *b = *state;
    struct buf body = { 0 };
    struct buf found = { 0 };
    buf_add_cstr(&body, "{\"batch\":[" TRACK "],\"context\":{\"a\":1");
    for (int i = 0; i < JSON_MAX_KEYS; i++) {
        buf_printf(&body, ",\"k%d\":1", i);
    }
    buf_add_cstr(&body, "}}");
    assert_int_equal(ingest_bed_exchange(b, "POST /v1/batch", KEY, buf_view(&body)), 413);
    assert_string_equal(kept(b, &found), "rejected:context too large");
    buf_release(&body);
    buf_release(&found);
}

static void test_above_the_rate_of_a_source_429_answers(void **state)
{
    struct ingest_bed *b = *state;
    assert_int_equal(ingest_bed_exchange(b, "POST /v1/track", SLOW_KEY, view_cstr(TRACK)),
                     200);
    assert_int_equal(ingest_bed_exchange(b, "POST /v1/track", SLOW_KEY, view_cstr(TRACK)),
                     429);
    assert_true(has_header(b, "Retry-After"));
    assert_true(answer_says(b, "rate_limited"));
    assert_int_equal(ingest_bed_exchange(b, "POST /v1/track", KEY, view_cstr(TRACK)),
                     200);
}

static void test_a_request_of_very_many_events_is_accepted_whole(void **state)
{
    struct ingest_bed *b = *state;
    struct buf body = { 0 };
    buf_add_char(&body, '[');
    for (int i = 0; i < FAKE_DURABLE_MAX; i++) {
        buf_add_cstr(&body, i == 0 ? TRACK : "," TRACK);
    }
    buf_add_char(&body, ']');
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, buf_view(&body)), 200);
    assert_int_equal(b->durable->count, FAKE_DURABLE_MAX);
    /* When nothing is acknowledged, what is under way of a request stays bounded. */
    fake_durable_reset(b->durable, FAKE_IS_LATE);
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, buf_view(&body)), 503);
    assert_true(b->durable->count < FAKE_DURABLE_MAX / 2);
    assert_int_equal(b->durable->ended[DELIVERY_LATE], 1);
    buf_release(&body);
}

static void test_above_the_budget_503_answers(void **state)
{
    struct ingest_bed *b = *state;
    assert_true(budget_take(&b->budget, BUDGET_BYTES));
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, view_cstr(TRACK)), 503);
    assert_true(answer_says(b, "\"busy\""));
    budget_give(&b->budget, BUDGET_BYTES);
    assert_int_equal(ingest_bed_exchange(b, WEBHOOK, TOKEN, view_cstr(TRACK)), 200);
}

#define WITH_BENCH(test)                                                                 \
    cmocka_unit_test_setup_teardown(test, ingest_bed_start, ingest_bed_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_each_request_gets_its_status_and_leaves_its_records),
        WITH_BENCH(test_what_is_not_durable_is_never_acknowledged),
        WITH_BENCH(test_only_what_is_stored_is_handed_over),
        WITH_BENCH(test_a_pixel_always_gets_its_picture),
        WITH_BENCH(test_settings_without_a_public_url_are_not_found),
        WITH_BENCH(test_options_of_the_whole_server_are_answered),
        WITH_BENCH(test_an_empty_batch_tells_nothing_of_kafka),
        WITH_BENCH(test_a_record_carries_what_is_known_of_its_arrival),
        WITH_BENCH(test_members_of_a_batch_that_are_no_objects_are_left_out),
        WITH_BENCH(test_a_body_that_cannot_be_split_is_kept_with_where_and_why),
        WITH_BENCH(test_the_strongest_credential_is_noted),
        WITH_BENCH(test_a_body_may_be_large_when_its_sender_is_known),
        WITH_BENCH(test_a_body_that_is_too_large_is_kept_for_a_proven_sender_alone),
        WITH_BENCH(test_what_is_thrown_away_holds_no_budget),
        WITH_BENCH(test_metrics_of_browsers_keep_their_connection),
        WITH_BENCH(test_an_event_over_its_limit_is_cut_and_its_neighbours_are_not),
        WITH_BENCH(test_a_batch_context_over_its_limit_is_refused_and_kept),
        WITH_BENCH(test_a_batch_context_of_too_many_keys_is_too_large_first_of_all),
        WITH_BENCH(test_above_the_rate_of_a_source_429_answers),
        WITH_BENCH(test_a_request_of_very_many_events_is_accepted_whole),
        WITH_BENCH(test_above_the_budget_503_answers),
    };
    log_configure(LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

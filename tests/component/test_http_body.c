/* Bodies on the wire: what the handler gets of them, and what the client sees, for
 * clients good, slow, gone and hostile. */
#include "ingest/http/body.h"

#include "tests/support/http_bed.h"

#include "common/base/clock.h"
#include "common/contract/reject_reason.h"

#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- bodies ---- */

static void test_chunks_are_put_together(void **state)
{
    static const struct {
        const char *chunks, *body;
    } cases[] = {
        { "0\r\n\r\n", "" },
        { "5\r\nhello\r\n0\r\n\r\n", "hello" },
        { "1\r\nh\r\n4\r\nello\r\n00\r\n\r\n", "hello" },
        { "00005\r\nhello\r\n0\r\n\r\n", "hello" },
        { "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789" },
    };
    static const char *const paths[] = { "/read", "/bytes" };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t j = 0; j < 2; j++) {
            char request[200];
            struct http_client c;
            http_client_open(&c, http_bed_port(f));
            snprintf(request, sizeof request,
                     "POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s", paths[j],
                     cases[i].chunks);
            http_bed_exchange(&c, request, 200, false);
            http_bed_assert_body(f, view_cstr(cases[i].body));
            http_bed_exchange(&c, request, 200, false); /* its end was found exactly */
            http_client_close(&c);
        }
    }
}

static void test_malformed_chunks_are_no_body(void **state)
{
    static const char *const cases[] = {
        "x\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\nffffffffffffffff\r\n0\r\n\r\n",
        "5\r\nhello\r\n-1\r\n\r\n",
        "5\r\nhello\r\n",
        "5\r\nhel",
        "5\r\nhello\r\n0",
        "",
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[200];
        struct http_client c;
        struct http_answer a;
        http_client_open(&c, http_bed_port(f));
        snprintf(request, sizeof request,
                 "POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s", cases[i]);
        http_client_send(&c, request);
        http_client_finish(&c);
        bool is_answered = http_client_receive(&c, true, &a);
        if (is_answered && a.status != 400) {
            fail_msg("'%s' was answered %d", cases[i], a.status);
        }
        http_answer_release(&a);
        http_client_close(&c);
        http_bed_wait_for(&f->handled, (unsigned)i + 1);
        assert_int_not_equal(atomic_load(&f->last_result), BODY_READ);
    }
}

/* After trailers the library cannot find the next request: the connection must end. */
static void test_trailers_do_not_become_a_request(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    struct http_answer a;
    http_client_open(&c, http_bed_port(f));
    http_client_send(&c, "POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
                         "POST /read HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    bool is_answered = http_client_receive(&c, true, &a);
    http_answer_release(&a);
    if (is_answered) {
        assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
    }
    http_client_close(&c);
    http_bed_wait_for(&f->handled, 1);
    assert_int_equal(atomic_load(&f->seen), 1);
}

static void test_a_client_that_leaves_half_way_has_sent_no_body(void **state)
{
    struct http_bed *f = *state;
    static const char *const paths[] = { "/read", "/bytes" };
    for (unsigned i = 0; i < 2; i++) {
        char request[200];
        struct http_client c;
        snprintf(request, sizeof request,
                 "POST %s HTTP/1.1\r\nContent-Length: 100\r\n\r\n{\"type\":\"track\"}",
                 paths[i]);
        http_client_open(&c, http_bed_port(f));
        http_client_send(&c, request);
        http_client_close(&c);
        http_bed_wait_for(&f->handled, i + 1);
    }
    assert_int_equal(atomic_load(&f->last_result), BODY_CLIENT_GONE);
    assert_int_equal(atomic_load(&f->last_error_class), ERROR_STOPPED);
}

static void test_a_silent_client_is_given_up_at_the_bodys_deadline(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    http_client_open(&c, http_bed_port(f));
    int64_t start = clock_mono_ms();
    http_bed_exchange(&c, "POST /hurry HTTP/1.1\r\nContent-Length: 100\r\n\r\nhello", 503,
                      true);
    assert_int_equal(atomic_load(&f->last_result), BODY_TOO_SLOW);
    /* 400 ms, and what the watch needs to look (250 ms); generous for a busy machine. */
    assert_true(clock_mono_ms() - start < HTTP_BED_READ_TIMEOUT_MS + 2000);
    http_client_close(&c);
}

struct trickle {
    struct http_client *client;
    _Atomic bool is_over;
};

static void *send_a_byte_now_and_then(void *context)
{
    struct trickle *t = context;
    while (!atomic_load(&t->is_over) && http_client_try_send(t->client, view_cstr("x"))) {
        struct timespec pause = { 0, 50000000 };
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void test_a_trickling_client_is_ended_near_the_deadline(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    struct trickle t = { .client = &c };
    pthread_t thread;
    http_client_open(&c, http_bed_port(f));
    http_client_send(&c, "POST /hurry HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
    int64_t start = clock_mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, send_a_byte_now_and_then, &t), 0);
    http_bed_wait_for(&f->handled, 1);
    int64_t took = clock_mono_ms() - start;
    atomic_store(&t.is_over, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&f->last_result), BODY_TOO_SLOW);
    assert_true(took >= 400);
    /* 5,000 s at its own pace; the deadline is 0.4 s, the discarding 2 s. */
    assert_true(took < 6000);
    http_client_close(&c);
}

struct upload {
    struct http_client *client;
    size_t bytes;
};

static void *send_much(void *context)
{
    struct upload *u = context;
    static char block[65536];
    for (size_t sent = 0; sent < u->bytes; sent += sizeof block) {
        if (!http_client_try_send(u->client, view_of(block, sizeof block))) {
            break;
        }
    }
    return NULL;
}

static void test_an_early_answer_reaches_a_client_that_is_still_sending(void **state)
{
    static const char *const paths[] = { "/early", "/read" }; /* unread; over the limit */
    struct http_bed *f = *state;
    for (size_t i = 0; i < 8; i++) {
        struct http_client c;
        struct http_answer a;
        struct upload u = { .client = &c, .bytes = 20u << 20 };
        pthread_t thread;
        char head[100];
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n",
                 paths[i % 2], u.bytes);
        http_client_open(&c, http_bed_port(f));
        http_client_send(&c, head);
        assert_int_equal(pthread_create(&thread, NULL, send_much, &u), 0);
        pthread_join(thread, NULL); /* as most clients: all is sent before reading */
        assert_true(http_client_receive(&c, true, &a));
        assert_int_equal(a.status, 413);
        http_bed_assert_header(&a, "Connection", "close");
        http_answer_release(&a);
        http_client_close(&c);
    }
}

/* ---- limits and codings ---- */

static void add_post(struct buf *out, const char *headers, struct view body)
{
    buf_printf(out, "POST /read HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n", headers,
               body.len);
    buf_add_view(out, body);
}

static void add_chunked_post(struct buf *out, const char *headers, struct view body)
{
    buf_printf(out, "POST /read HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n",
               headers);
    while (body.len > 0) {
        size_t len = body.len < 50000 ? body.len : 50000;
        buf_printf(out, "%zx\r\n", len);
        buf_add(out, body.data, len);
        buf_add_cstr(out, "\r\n");
        body = view_skip(body, len);
    }
    buf_add_cstr(out, "0\r\n\r\n");
}

static struct buf gzip(struct view plain, int level)
{
    struct buf out = { 0 };
    z_stream z = { .next_in = (Bytef *)(uintptr_t)plain.data,
                   .avail_in = (uInt)plain.len };
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    size_t bound = deflateBound(&z, plain.len);
    z.next_out = (Bytef *)buf_reserve(&out, bound);
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = bound - z.avail_out;
    deflateEnd(&z);
    return out;
}

/* `len` bytes that compress a little, as text does. */
static struct buf text_of(size_t len)
{
    struct buf out = { 0 };
    uint32_t random = 12345;
    while (out.len < len) {
        random = random * 1664525 + 1013904223;
        buf_add_char(&out, (char)('a' + (random >> 28)));
    }
    return out;
}

static void post(struct http_bed *f, const char *headers, struct view body,
                 bool is_chunked, int status)
{
    struct buf request = { 0 };
    struct http_answer a;
    if (is_chunked) {
        add_chunked_post(&request, headers, body);
    } else {
        add_post(&request, headers, body);
    }
    int found = http_client_exchange(http_bed_port(f), buf_view(&request), &a);
    if (found != status) {
        fail_msg("%zu bytes%s, %s: %d instead of %d", body.len,
                 is_chunked ? " in chunks" : "", headers, found, status);
    }
    http_answer_release(&a);
    buf_release(&request);
}

static void test_a_body_may_be_as_large_as_the_limit_and_not_a_byte_more(void **state)
{
    struct http_bed *f = *state;
    struct buf plain = text_of(HTTP_BED_MAX_BODY + 1);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        post(f, "", view_of(plain.data, HTTP_BED_MAX_BODY), is_chunked, 200);
        http_bed_assert_body(f, view_of(plain.data, HTTP_BED_MAX_BODY));
        post(f, "", view_of(plain.data, HTTP_BED_MAX_BODY + 1), is_chunked, 413);
        /* Its beginning is kept. */
        http_bed_assert_body(f, view_of(plain.data, REJECT_KEPT_BYTES));
    }
    buf_release(&plain);
}

#define GZIP "Content-Encoding: gzip\r\n"

static void test_gzip_is_inflated_up_to_the_same_limit(void **state)
{
    static const size_t sizes[] = {
        0, 1, 65535, 65536, 65537, 131072, HTTP_BED_MAX_BODY
    };
    struct http_bed *f = *state;
    struct buf plain = text_of(HTTP_BED_MAX_BODY + 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf packed = gzip(view_of(plain.data, sizes[i]), 6);
        for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
            post(f, GZIP, buf_view(&packed), is_chunked, 200);
            http_bed_assert_body(f, view_of(plain.data, sizes[i]));
        }
        buf_release(&packed);
    }
    struct buf packed = gzip(buf_view(&plain), 6);
    post(f, GZIP, buf_view(&packed), false, 413);
    http_bed_assert_body(f, view_of(plain.data, REJECT_KEPT_BYTES));
    buf_release(&packed);
    buf_release(&plain);
}

/* RFC 1952, 2.2; appending to a gzip file gives one. */
static void test_a_gzip_of_several_files_is_one_body(void **state)
{
    struct http_bed *f = *state;
    struct buf plain = text_of(100000);
    struct buf packed = gzip(view_of(plain.data, 70000), 6);
    struct buf second = gzip(view_of(plain.data + 70000, 30000), 6);
    buf_add_view(&packed, buf_view(&second));
    post(f, GZIP, buf_view(&packed), false, 200);
    http_bed_assert_body(f, buf_view(&plain));
    post(f, GZIP, view_of(packed.data, packed.len - 3), false, 400);
    buf_release(&second);
    buf_release(&packed);
    buf_release(&plain);
}

static void test_a_bomb_ends_at_the_ratio(void **state)
{
    struct http_bed *f = *state;
    struct buf zeros = { 0 };
    memset(buf_reserve(&zeros, HTTP_BED_MAX_BODY), 0, HTTP_BED_MAX_BODY);
    zeros.len = HTTP_BED_MAX_BODY;
    struct buf packed = gzip(buf_view(&zeros), 9);
    assert_true(packed.len < 4096); /* 2 MiB within the limit, but 1000:1 */
    post(f, GZIP, buf_view(&packed), false, 413);
    buf_release(&packed);
    zeros.len = 1u << 20; /* small ones may repeat themselves */
    packed = gzip(buf_view(&zeros), 9);
    post(f, GZIP, buf_view(&packed), false, 200);
    buf_release(&packed);
    buf_release(&zeros);
}

static void test_damaged_gzip_is_refused(void **state)
{
    struct http_bed *f = *state;
    struct buf plain = text_of(200000);
    struct buf packed = gzip(buf_view(&plain), 6);
    struct buf longer = { 0 };
    buf_add_view(&longer, buf_view(&packed));
    buf_add_cstr(&longer, "x");
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        post(f, GZIP, view_of(packed.data, packed.len - 1), is_chunked, 400);
        post(f, GZIP, view_of(packed.data, packed.len / 2), is_chunked, 400);
        post(f, GZIP, view_of(packed.data, 5), is_chunked, 400);
        post(f, GZIP, buf_view(&longer), is_chunked, 400);
        post(f, GZIP, view_cstr("{\"type\":\"track\"}"), is_chunked, 400);
        post(f, GZIP, view_of(NULL, 0), is_chunked, 400);
    }
    packed.data[packed.len - 5] ^= 1; /* its checksum */
    post(f, GZIP, buf_view(&packed), false, 400);
    buf_release(&longer);
    buf_release(&packed);
    buf_release(&plain);
}

static void test_codings_are_known_or_refused(void **state)
{
    static const struct {
        const char *header;
        int status;
    } cases[] = {
        { "", 200 },
        { "Content-Encoding: identity\r\n", 200 },
        { "Content-Encoding: IDENTITY \r\n", 200 },
        { "Content-Encoding:\r\n", 200 },
        { "Content-Encoding: br\r\n", 415 },
        { "Content-Encoding: deflate\r\n", 415 },
        { "Content-Encoding: gzip, gzip\r\n", 415 },
        { "content-encoding: GZIP\r\n", 400 }, /* known, but it is none */
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        post(f, cases[i].header, view_cstr("hello"), false, cases[i].status);
    }
}

static void test_a_body_beyond_the_budget_is_refused_and_given_back(void **state)
{
    struct http_bed *f = *state; /* with 200,000 bytes */
    struct buf plain = text_of(300000);
    struct buf packed = gzip(buf_view(&plain), 6);
    for (int i = 0; i < 3; i++) {
        post(f, "", buf_view(&plain), i % 2 == 1, 503);
        assert_int_equal(atomic_load(&f->last_result), BODY_NO_ROOM);
        post(f, GZIP, buf_view(&packed), i % 2 == 1, 503);
        assert_int_equal(atomic_load(&f->last_result), BODY_NO_ROOM);
        post(f, "", view_of(plain.data, 100000), false, 200);
    }
    buf_release(&packed);
    buf_release(&plain);
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup(name, http_bed_begin)
#define OWN_SERVER_TEST(name, start)                                                     \
    cmocka_unit_test_setup_teardown(name, start, http_bed_stop)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_chunks_are_put_together),
        SERVER_TEST(test_malformed_chunks_are_no_body),
        SERVER_TEST(test_trailers_do_not_become_a_request),
        SERVER_TEST(test_a_client_that_leaves_half_way_has_sent_no_body),
        SERVER_TEST(test_a_silent_client_is_given_up_at_the_bodys_deadline),
        SERVER_TEST(test_a_trickling_client_is_ended_near_the_deadline),
        SERVER_TEST(test_an_early_answer_reaches_a_client_that_is_still_sending),
        SERVER_TEST(test_a_body_may_be_as_large_as_the_limit_and_not_a_byte_more),
        SERVER_TEST(test_gzip_is_inflated_up_to_the_same_limit),
        SERVER_TEST(test_a_gzip_of_several_files_is_one_body),
        SERVER_TEST(test_a_bomb_ends_at_the_ratio),
        SERVER_TEST(test_damaged_gzip_is_refused),
        SERVER_TEST(test_codings_are_known_or_refused),
        OWN_SERVER_TEST(test_a_body_beyond_the_budget_is_refused_and_given_back,
                        http_bed_start_small),
    };
    return cmocka_run_group_tests(tests, http_bed_start, http_bed_stop);
}

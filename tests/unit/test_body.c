/* Bodies are read whole, within their limits, however they arrive. */
#include "ingest/http/body.h"

#include "common/contract/reject_reason.h"

#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

/* A body that comes in pieces of at most `piece` bytes and then ends, or fails. */
struct wire {
    struct view left;
    size_t piece;
    bool fails;
    enum error_class failure;
    unsigned reads;
    int64_t deadline; /* that it was last read with */
};

static int64_t read_wire(void *context, char *into, size_t size, int64_t deadline,
                         struct error *err)
{
    struct wire *w = context;
    w->deadline = deadline;
    w->reads++;
    size_t n = w->left.len < size ? w->left.len : size;
    n = n < w->piece ? n : w->piece;
    if (n == 0 && w->fails) {
        error_set(err, w->failure, ERROR_FROM_HTTP, NULL, "as told");
        return -1;
    }
    if (n > 0) {
        memcpy(into, w->left.data, n);
    }
    w->left = view_skip(w->left, n);
    return (int64_t)n;
}

/* Of a body; of the beginning of one that is announced too large. */
#define LONG_DEADLINE 7000
#define BRIEF_DEADLINE 300

struct outcome {
    enum body_result result;
    struct buf body;
    uint64_t charged;
    struct error err;
};

struct arrangement {
    const char *encoding;
    int64_t content_length;
    uint64_t max_bytes, budget_bytes;
};

static struct outcome read_body(struct wire *w, const struct arrangement *a)
{
    struct budget budget;
    struct outcome out = { .err = { .text = "" } };
    budget_init(&budget, a->budget_bytes == 0 ? 64 * MIB : a->budget_bytes);
    struct body_source source = { .content_length = a->content_length,
                                  .encoding = view_cstr(a->encoding),
                                  .read = read_wire,
                                  .context = w };
    struct body_limits limits = { .max_bytes = a->max_bytes == 0 ? MIB : a->max_bytes,
                                  .budget = &budget,
                                  .deadline_mono_ms = LONG_DEADLINE,
                                  .too_large_deadline_mono_ms = BRIEF_DEADLINE,
                                  .kept_bytes = REJECT_KEPT_BYTES };
    out.result = body_read_from(&source, &limits, &out.body, &out.charged, &out.err);
    assert_int_equal(budget_used(&budget), out.charged);
    return out;
}

static void check_read(struct wire w, struct arrangement a, enum body_result result,
                       struct view body)
{
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, result);
    assert_int_equal(out.body.len, body.len);
    assert_true(view_equal(buf_view(&out.body), body));
    buf_release(&out.body);
}

/* ---- gzip of our own making ---- */

/* Appends a gzip (or, with another `window_bits`, something else) of `plain`. */
static void deflate_to(struct buf *out, struct view plain, int window_bits)
{
    z_stream z;
    memset(&z, 0, sizeof z);
    assert_int_equal(deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits, 8,
                                  Z_DEFAULT_STRATEGY),
                     Z_OK);
    uLong bound = deflateBound(&z, plain.len) + 32;
    z.next_in = (Bytef *)(uintptr_t)plain.data;
    z.avail_in = (uInt)plain.len;
    z.next_out = (Bytef *)buf_reserve(out, bound);
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += bound - z.avail_out;
    deflateEnd(&z);
}

#define GZIP 31
#define ZLIB 15
#define RAW (-15)

static struct buf repeat(const char *text, size_t len)
{
    struct buf out = { 0 };
    while (out.len < len) {
        buf_add_cstr(&out, text);
    }
    out.len = len;
    return out;
}

/* Bytes that do not compress. */
static struct buf noise(size_t len)
{
    struct buf out = { 0 };
    uint32_t x = 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        buf_add_char(&out, (char)(x >> 24));
    }
    return out;
}

/* ---- plain ---- */

static void test_a_plain_body_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const size_t pieces[] = { 7, 65535, 65536, MIB };
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 200000 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct buf plain = noise(sizes[s]);
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            struct wire w = { .left = buf_view(&plain), .piece = pieces[p] };
            struct arrangement a = { .content_length = (int64_t)sizes[s] };
            check_read(w, a, BODY_READ, buf_view(&plain));
            a.content_length = -1;
            a.encoding = p % 2 == 0 ? "identity" : "";
            check_read(w, a, BODY_READ, buf_view(&plain));
        }
        buf_release(&plain);
    }
}

static void test_one_byte_above_the_maximum_keeps_the_beginning(void **state)
{
    (void)state;
    struct buf plain = noise(200001);
    struct view kept = view_of(plain.data, REJECT_KEPT_BYTES);
    struct wire w = { .left = buf_view(&plain), .piece = 1000 };
    struct arrangement a = { .content_length = -1, .max_bytes = 200000 };
    check_read(w, a, BODY_TOO_LARGE, kept);
    a.content_length = 200001;
    check_read(w, a, BODY_TOO_LARGE, kept);
    a.max_bytes = 200001;
    check_read(w, a, BODY_READ, buf_view(&plain));
    a.max_bytes = 10; /* less than is kept */
    check_read(w, a, BODY_TOO_LARGE, kept);
    buf_release(&plain);
}

static void test_a_body_announced_too_large_is_not_read_through(void **state)
{
    (void)state;
    struct buf plain = noise(500000);
    struct wire w = { .left = buf_view(&plain), .piece = 10000 };
    struct arrangement a = { .content_length = 500000, .max_bytes = 400000 };
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_TOO_LARGE);
    assert_true(w.left.len >= 420000);
    buf_release(&out.body);
    buf_release(&plain);
}

/* Its sender may wait for an answer before it sends, or send for ever. */
static void test_the_beginning_of_what_is_too_large_is_not_waited_for(void **state)
{
    (void)state;
    struct wire w = {
        .left = view_cstr("[{\"a\":"), .piece = 100, .fails = true, .failure = ERROR_RETRY
    };
    struct arrangement a = { .encoding = "", .content_length = 10, .max_bytes = 9 };
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_TOO_LARGE);
    assert_true(view_equal_cstr(buf_view(&out.body), "[{\"a\":"));
    assert_int_equal(w.deadline, BRIEF_DEADLINE);
    buf_release(&out.body);
    w = (struct wire){ .left = view_cstr("123456789"), .piece = 9 };
    a.content_length = 9;
    out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_READ);
    assert_int_equal(w.deadline, LONG_DEADLINE);
    buf_release(&out.body);
}

static void test_failures_of_the_connection(void **state)
{
    (void)state;
    static const struct {
        enum error_class failure;
        enum body_result result;
    } cases[] = {
        { ERROR_RETRY, BODY_TOO_SLOW },
        { ERROR_INVALID, BODY_MALFORMED },
        { ERROR_STOPPED, BODY_CLIENT_GONE },
    };
    static const char *const encodings[] = { "", "gzip" };
    struct buf gzip = { 0 };
    deflate_to(&gzip, view_cstr("hello"), GZIP);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t e = 0; e < 2; e++) {
            struct wire w = { .left = buf_view(&gzip), .piece = 5 };
            w.fails = true;
            w.failure = cases[i].failure;
            struct arrangement a = { .content_length = 1000, .encoding = encodings[e] };
            struct outcome out = read_body(&w, &a);
            assert_int_equal(out.result, cases[i].result);
            assert_string_equal(out.err.text, "as told");
            buf_release(&out.body);
        }
    }
    buf_release(&gzip);
}

static void test_received_bytes_are_charged_not_announced_ones(void **state)
{
    (void)state;
    struct buf plain = noise(1000);
    struct wire w = { .left = buf_view(&plain), .piece = 100 };
    struct arrangement a = { .content_length = 1000, .budget_bytes = 1000 };
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_READ);
    assert_int_equal(out.charged, 1000);
    buf_release(&out.body);
    w = (struct wire){ .left = buf_view(&plain), .piece = 100 };
    a.budget_bytes = 999;
    out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_NO_ROOM);
    assert_int_equal(out.charged, 900);
    buf_release(&out.body);
    buf_release(&plain);
}

/* ---- gzip ---- */

static void test_gzip_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const size_t pieces[] = { 1, 3, 17, 65536 };
    static const size_t sizes[] = { 0, 1, 65536, 131072, 400000 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct buf plain = repeat("{\"type\":\"track\"}, ", sizes[s]);
        struct buf gzip = { 0 };
        deflate_to(&gzip, buf_view(&plain), GZIP);
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            struct wire w = { .left = buf_view(&gzip), .piece = pieces[p] };
            struct arrangement a = { .content_length = (int64_t)gzip.len };
            a.encoding = p % 2 == 0 ? "gzip" : "X-GZIP";
            check_read(w, a, BODY_READ, buf_view(&plain));
        }
        buf_release(&plain);
        buf_release(&gzip);
    }
}

static void test_gzip_of_several_files(void **state)
{
    (void)state;
    struct buf gzip = { 0 };
    deflate_to(&gzip, view_cstr("one,"), GZIP);
    deflate_to(&gzip, view_cstr(""), GZIP);
    deflate_to(&gzip, view_cstr("two"), GZIP);
    for (size_t piece = 1; piece < gzip.len + 1; piece++) {
        struct wire w = { .left = buf_view(&gzip), .piece = piece };
        struct arrangement a = { .encoding = "gzip", .content_length = -1 };
        check_read(w, a, BODY_READ, view_cstr("one,two"));
    }
    buf_release(&gzip);
}

/* Noticed, and there as it was sent. */
static void assert_malformed(struct view gzip)
{
    struct arrangement a = { .encoding = "gzip", .content_length = -1 };
    struct wire w = { .left = gzip, .piece = 9 };
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_BAD_GZIP);
    assert_int_equal(out.err.class, ERROR_INVALID);
    assert_true(view_equal(buf_view(&out.body), gzip));
    buf_release(&out.body);
}

/* Every cut, and every kind of damage, is noticed: a torn body is never taken. */
static void test_gzip_that_is_not_whole(void **state)
{
    (void)state;
    struct buf gzip = { 0 };
    deflate_to(&gzip, view_cstr("{\"type\":\"track\",\"event\":\"Order Done\"}"), GZIP);
    for (size_t len = 0; len < gzip.len; len++) {
        assert_malformed(view_of(gzip.data, len));
    }
    for (size_t i = 10; i < gzip.len; i++) { /* behind the header, which has no check */
        gzip.data[i] = (char)(gzip.data[i] ^ 0x10);
        assert_malformed(buf_view(&gzip));
        gzip.data[i] = (char)(gzip.data[i] ^ 0x10);
    }
    buf_release(&gzip);
}

static void test_other_wrappers_and_rests_are_no_gzip(void **state)
{
    (void)state;
    static const int windows[] = { ZLIB, RAW };
    for (size_t i = 0; i < 2; i++) {
        struct buf other = { 0 };
        deflate_to(&other, view_cstr("hello hello"), windows[i]);
        assert_malformed(buf_view(&other));
        buf_release(&other);
    }
    struct buf gzip = { 0 };
    deflate_to(&gzip, view_cstr("hello"), GZIP);
    buf_add_cstr(&gzip, "x");
    assert_malformed(buf_view(&gzip));
    assert_malformed(view_cstr("{\"type\":\"track\"}"));
    buf_release(&gzip);
}

static void test_a_bomb_stops_at_the_ratio(void **state)
{
    (void)state;
    struct buf plain = repeat("a", 8 * MIB);
    struct buf gzip = { 0 };
    deflate_to(&gzip, buf_view(&plain), GZIP);
    assert_true(gzip.len * 500 < plain.len);
    struct wire w = { .left = buf_view(&gzip), .piece = 65536 };
    struct arrangement a = { .encoding = "gzip",
                             .content_length = (int64_t)gzip.len,
                             .max_bytes = 20 * MIB };
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_TOO_LARGE);
    assert_int_equal(out.body.len, REJECT_KEPT_BYTES);
    assert_true(out.charged < 2 * MIB);
    buf_release(&out.body);
    /* Up to 1 MiB any ratio is fine. */
    plain.len = MIB;
    buf_clear(&gzip);
    deflate_to(&gzip, buf_view(&plain), GZIP);
    w = (struct wire){ .left = buf_view(&gzip), .piece = 65536 };
    check_read(w, a, BODY_READ, buf_view(&plain));
    buf_release(&plain);
    buf_release(&gzip);
}

static void test_the_maximum_counts_inflated_bytes(void **state)
{
    (void)state;
    struct buf plain = repeat("{\"a\":1},", 100000);
    struct buf gzip = { 0 };
    deflate_to(&gzip, buf_view(&plain), GZIP);
    struct wire w = { .left = buf_view(&gzip), .piece = 100 };
    struct arrangement a = { .encoding = "gzip",
                             .content_length = (int64_t)gzip.len,
                             .max_bytes = 99999 };
    check_read(w, a, BODY_TOO_LARGE, view_of(plain.data, REJECT_KEPT_BYTES));
    a.max_bytes = 100000;
    check_read(w, a, BODY_READ, buf_view(&plain));
    a.budget_bytes = 99999;
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_NO_ROOM);
    buf_release(&out.body);
    buf_release(&plain);
    buf_release(&gzip);
}

/* Empty gzip files one behind the other inflate to nothing, for ever. */
static void test_compressed_bytes_are_limited_too(void **state)
{
    (void)state;
    struct buf gzip = { 0 };
    while (gzip.len < 100000) {
        deflate_to(&gzip, view_cstr(""), GZIP);
    }
    struct wire w = { .left = buf_view(&gzip), .piece = 1000 };
    struct arrangement a = { .encoding = "gzip",
                             .content_length = -1,
                             .max_bytes = 50000 };
    struct outcome out = read_body(&w, &a);
    assert_int_equal(out.result, BODY_TOO_LARGE);
    assert_true(w.left.len > 45000);
    buf_release(&out.body);
    buf_release(&gzip);
}

static void test_bodies_of_an_unknown_encoding_are_there_as_they_were_sent(void **state)
{
    (void)state;
    static const char *const encodings[] = { "br",         "deflate",        "zstd",
                                             "gzip, gzip", "identity, gzip", "gzipx" };
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        struct wire w = { .left = view_cstr("hello"), .piece = 5 };
        struct arrangement a = { .encoding = encodings[i], .content_length = 5 };
        struct outcome out = read_body(&w, &a);
        assert_int_equal(out.result, BODY_BAD_ENCODING);
        assert_string_equal(buf_cstr(&out.body), "hello");
        buf_release(&out.body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_body_in_pieces_of_any_size),
        cmocka_unit_test(test_one_byte_above_the_maximum_keeps_the_beginning),
        cmocka_unit_test(test_a_body_announced_too_large_is_not_read_through),
        cmocka_unit_test(test_the_beginning_of_what_is_too_large_is_not_waited_for),
        cmocka_unit_test(test_failures_of_the_connection),
        cmocka_unit_test(test_received_bytes_are_charged_not_announced_ones),
        cmocka_unit_test(test_gzip_in_pieces_of_any_size),
        cmocka_unit_test(test_gzip_of_several_files),
        cmocka_unit_test(test_gzip_that_is_not_whole),
        cmocka_unit_test(test_other_wrappers_and_rests_are_no_gzip),
        cmocka_unit_test(test_a_bomb_stops_at_the_ratio),
        cmocka_unit_test(test_the_maximum_counts_inflated_bytes),
        cmocka_unit_test(test_compressed_bytes_are_limited_too),
        cmocka_unit_test(test_bodies_of_an_unknown_encoding_are_there_as_they_were_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Frames: what goes in comes out, and no damage, cut or forgery passes for a record. */
#include "ingest/durable/spool_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SALT 0x5eed0001u

static const struct spool_record sample = {
    .topic = EVENT_TRACK,
    .key = VIEW_LITERAL("m1"),
    .value = VIEW_LITERAL("{\"type\":\"track\",\"event\":\"a\"}"),
    .header_count = 3,
    .headers = { { VIEW_LITERAL("backstitch"), VIEW_LITERAL("v=1;source=s") },
                 { VIEW_LITERAL("context"), VIEW_LITERAL("{}") },
                 { VIEW_LITERAL("empty"), VIEW_LITERAL("") } },
};

static void encode(const struct spool_record *r, uint32_t salt, struct buf *out)
{
    struct error err;
    assert_true(spool_frame_encode(r, salt, out, &err));
}

static void assert_same(const struct spool_record *a, const struct spool_record *b)
{
    assert_int_equal(a->topic, b->topic);
    assert_true(view_equal(a->key, b->key));
    assert_true(view_equal(a->value, b->value));
    assert_int_equal(a->header_count, b->header_count);
    for (size_t i = 0; i < a->header_count; i++) {
        assert_true(view_equal(a->headers[i].name, b->headers[i].name));
        assert_true(view_equal(a->headers[i].value, b->headers[i].value));
    }
}

static void assert_step(struct spool_step step, enum spool_step_kind kind, size_t len)
{
    assert_int_equal(step.kind, kind);
    assert_int_equal(step.len, len);
}

static void test_a_record_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct buf frames = { 0 };
    struct spool_record bare = { .topic = EVENT_REJECTED };
    struct spool_record out;
    encode(&sample, SALT, &frames);
    size_t first = frames.len;
    encode(&bare, SALT, &frames);

    assert_step(spool_frame_next(buf_view(&frames), true, SALT), SPOOL_STEP_FRAME, first);
    assert_int_equal(spool_frame_whole(buf_view(&frames)).len, first);
    assert_true(spool_frame_decode(view_of(frames.data, first), &out));
    assert_same(&sample, &out);

    struct view second = view_skip(buf_view(&frames), first);
    assert_step(spool_frame_next(second, true, SALT), SPOOL_STEP_FRAME, second.len);
    assert_true(spool_frame_decode(second, &out));
    assert_same(&bare, &out);
    assert_step(spool_frame_next(view_of(NULL, 0), true, SALT), SPOOL_STEP_END, 0);
    buf_release(&frames);
}

/* Behind it stands a whole frame: damage must end there, and never reach into it. */
static void test_every_single_bit_that_flips_is_noticed(void **state)
{
    (void)state;
    struct buf frames = { 0 };
    encode(&sample, SALT, &frames);
    size_t len = frames.len;
    encode(&sample, SALT, &frames);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        frames.data[bit / 8] = (char)(frames.data[bit / 8] ^ (1 << (bit % 8)));
        assert_step(spool_frame_next(buf_view(&frames), true, SALT), SPOOL_STEP_DAMAGE,
                    len);
        frames.data[bit / 8] = (char)(frames.data[bit / 8] ^ (1 << (bit % 8)));
    }
    buf_release(&frames);
}

static void test_a_cut_frame_is_torn_at_the_end_and_unfinished_before(void **state)
{
    (void)state;
    struct buf frames = { 0 };
    encode(&sample, SALT, &frames);
    for (size_t len = 1; len < frames.len; len++) {
        struct view cut = view_of(frames.data, len);
        assert_step(spool_frame_next(cut, true, SALT), SPOOL_STEP_TORN, len);
        size_t needed =
            len < SPOOL_FRAME_HEAD_BYTES ? SPOOL_FRAME_HEAD_BYTES : frames.len;
        assert_step(spool_frame_next(cut, false, SALT), SPOOL_STEP_MORE, needed);
    }
    buf_release(&frames);
}

static void test_zeros_to_the_end_are_a_torn_write(void **state)
{
    (void)state;
    char zeros[100] = { 0 };
    struct view view = view_of(zeros, sizeof zeros);
    assert_step(spool_frame_next(view, true, SALT), SPOOL_STEP_TORN, sizeof zeros);
    assert_int_equal(spool_frame_next(view, false, SALT).kind, SPOOL_STEP_MORE);
    zeros[99] = 1;
    assert_step(spool_frame_next(view, true, SALT), SPOOL_STEP_DAMAGE, sizeof zeros);
}

static void test_a_frame_of_another_salt_is_no_frame(void **state)
{
    (void)state;
    struct buf frames = { 0 };
    struct buf outer = { 0 };
    encode(&sample, SALT + 1, &frames);
    assert_step(spool_frame_next(buf_view(&frames), true, SALT), SPOOL_STEP_DAMAGE,
                frames.len);

    /* A sender who hides a frame in an event, should that event's head be damaged. */
    struct spool_record hiding = { .topic = EVENT_TRACK, .value = buf_view(&frames) };
    encode(&hiding, SALT, &outer);
    size_t len = outer.len;
    encode(&sample, SALT, &outer);
    outer.data[5] = (char)(outer.data[5] ^ 1);
    assert_step(spool_frame_next(buf_view(&outer), true, SALT), SPOOL_STEP_DAMAGE, len);
    buf_release(&frames);
    buf_release(&outer);
}

/* Decoding judges the payload alone: the head was judged before. */
static void put_payload(struct buf *frame, struct view payload)
{
    static const char head[SPOOL_FRAME_HEAD_BYTES];
    buf_add(frame, head, sizeof head);
    buf_add_view(frame, payload);
}

static void test_a_payload_that_does_not_add_up_is_no_record(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        char bytes[32];
        size_t len;
    } cases[] = {
        { "nothing", { 0 }, 0 },
        { "a fixed part that is cut", { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 11 },
        { "a topic that is none", { 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 12 },
        { "a byte that must be 0", { 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 12 },
        { "a key beyond the end", { 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, 12 },
        { "a value beyond the end", { 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 'x' }, 13 },
        { "bytes left over", { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x' }, 13 },
        { "headers without a table", { 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x' }, 13 },
        { "too many headers", { 1, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 12 },
        { "a length of 2^32 - 1", { 1, 0, 0, 0, -1, -1, -1, -1, 1, 0, 0, 0 }, 12 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf frame = { 0 };
        struct spool_record out;
        put_payload(&frame, view_of(cases[i].bytes, cases[i].len));
        if (spool_frame_decode(buf_view(&frame), &out)) {
            fail_msg("taken for a record: %s", cases[i].what);
        }
        buf_release(&frame);
    }
}

static void test_a_record_at_the_limit_goes_in_and_one_above_does_not(void **state)
{
    (void)state;
    struct buf frames = { 0 };
    struct error err;
    size_t most = SPOOL_FRAME_MAX_BYTES - SPOOL_FRAME_HEAD_BYTES - 12;
    char *value = calloc(1, most + 1);
    struct spool_record r = { .topic = EVENT_TRACK, .value = view_of(value, most) };
    encode(&r, SALT, &frames);
    assert_step(spool_frame_next(buf_view(&frames), true, SALT), SPOOL_STEP_FRAME,
                SPOOL_FRAME_MAX_BYTES);
    r.value.len++;
    assert_false(spool_frame_encode(&r, SALT, &frames, &err));
    assert_int_equal(err.class, ERROR_INVALID);
    assert_int_equal(frames.len, SPOOL_FRAME_MAX_BYTES);
    buf_release(&frames);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_comes_out_as_it_went_in),
        cmocka_unit_test(test_every_single_bit_that_flips_is_noticed),
        cmocka_unit_test(test_a_cut_frame_is_torn_at_the_end_and_unfinished_before),
        cmocka_unit_test(test_zeros_to_the_end_are_a_torn_write),
        cmocka_unit_test(test_a_frame_of_another_salt_is_no_frame),
        cmocka_unit_test(test_a_payload_that_does_not_add_up_is_no_record),
        cmocka_unit_test(test_a_record_at_the_limit_goes_in_and_one_above_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

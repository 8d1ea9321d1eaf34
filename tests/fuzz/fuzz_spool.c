/* The spool's reader. The first byte chooses:
 *
 * 0: the rest is a frame's payload, read as it is: no fuzzer finds checksums.
 * 1: the rest is a file's head, then bytes of a file.
 * else: records are made from the input and then changed as it says; whatever was
 *    changed, each step covers bytes that no other covers, and no frame comes out that
 *    did not go in.
 */
#include "ingest/durable/spool_segment.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define SALT 0x00c0ffeeu
#define MAX_RECORDS 8

struct log {
    struct buf bytes;
    struct buf before; /* as it was before it was changed */
};

static void read_payload(struct view payload)
{
    static const char head[SPOOL_FRAME_HEAD_BYTES];
    struct spool_record record;
    struct spool_tally tally = { { 0 }, { 0 } };
    struct buf frame = { 0 };
    buf_add(&frame, head, sizeof head);
    buf_add_view(&frame, payload);
    spool_tally_add(&tally, buf_view(&frame));
    if (spool_frame_decode(buf_view(&frame), &record)) {
        struct buf again = { 0 };
        struct error err;
        bool is_encoded = spool_frame_encode(&record, SALT, &again, &err);
        REQUIRE(is_encoded &&
                view_equal(payload, view_skip(buf_view(&again), SPOOL_FRAME_HEAD_BYTES)));
        buf_release(&again);
    }
    buf_release(&frame);
}

static void make_log(struct log *l, struct view *rest)
{
    unsigned records = fuzz_byte(rest) % MAX_RECORDS + 1;
    for (unsigned i = 0; i < records; i++) {
        struct error err;
        struct spool_record r = {
            .topic = (enum event_type)(fuzz_byte(rest) % EVENT_TYPES),
            .header_count = 1,
            .headers = { { VIEW_LITERAL("h"), VIEW_LITERAL("v") } }
        };
        r.key = fuzz_until(rest, '\n');
        r.value = fuzz_until(rest, '\n');
        bool is_encoded = spool_frame_encode(&r, SALT, &l->bytes, &err);
        REQUIRE(is_encoded);
    }
    buf_add_view(&l->before, buf_view(&l->bytes));
}

static void change_log(struct log *l, struct view *rest)
{
    while (rest->len >= 3) {
        size_t at = (fuzz_byte(rest) << 8 | fuzz_byte(rest)) % l->bytes.len;
        l->bytes.data[at] = (char)fuzz_byte(rest);
    }
    if (rest->len > 0) {
        size_t cut = fuzz_byte(rest);
        l->bytes.len -= cut < l->bytes.len ? cut : 0;
    }
}

/* The frame stands in the same place as it was written, every byte of it. */
static void check_frame(const struct log *l, size_t at, size_t len)
{
    REQUIRE(at + len <= l->before.len);
    struct view frame = view_of(l->bytes.data + at, len);
    REQUIRE(view_equal(frame, view_of(l->before.data + at, len)));
    struct spool_record record;
    bool is_record = spool_frame_decode(frame, &record);
    REQUIRE(is_record);
}

static void read_log(const struct log *l)
{
    size_t at = 0;
    struct spool_step step = { .kind = SPOOL_STEP_MORE };
    while (step.kind != SPOOL_STEP_END) {
        struct view rest = view_skip(buf_view(&l->bytes), at);
        struct spool_step early = spool_frame_next(rest, false, SALT);
        step = spool_frame_next(rest, true, SALT);
        REQUIRE(step.kind != SPOOL_STEP_MORE && step.len <= rest.len);
        REQUIRE(step.kind == SPOOL_STEP_END || step.len > 0);
        REQUIRE(early.kind == SPOOL_STEP_MORE ? early.len > rest.len
                                              : early.kind == step.kind);
        if (step.kind == SPOOL_STEP_FRAME) {
            check_frame(l, at, step.len);
        }
        at += step.len;
    }
    REQUIRE(at == l->bytes.len);
}

static void read_file(struct view bytes)
{
    struct spool_head head;
    struct log l = { 0 };
    if (spool_head_parse(bytes, &head) == SPOOL_HEAD_GOOD) {
        bytes = view_skip(bytes, SPOOL_SEGMENT_HEAD_BYTES);
    }
    buf_add_view(&l.bytes, bytes);
    buf_add_view(&l.before, bytes);
    read_log(&l);
    buf_release(&l.bytes);
    buf_release(&l.before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = fuzz_view(data, size);
    struct log l = { 0 };
    switch (fuzz_byte(&rest)) {
    case 0:
        read_payload(rest);
        break;
    case 1:
        read_file(rest);
        break;
    default:
        make_log(&l, &rest);
        change_log(&l, &rest);
        read_log(&l);
        break;
    }
    buf_release(&l.bytes);
    buf_release(&l.before);
    return 0;
}

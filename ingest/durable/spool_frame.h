/* spool_frame: a record as the spool keeps it: one frame, and how frames are told from
 * damage.
 *
 * All numbers are little-endian. A frame is a head of 16 bytes and a payload:
 *
 *     head     salt u32, payload's length u32, payload's CRC-32C u32, CRC-32C of those
 *              three u32
 *     payload  topic u8, number of headers u8, 0 u16, key's length u32, value's length
 *              u32; for each header its name's and its value's length, u32 each; then
 *              key, value, and each header's name and value
 *
 * The head has a checksum of its own so that a length is either certain or known to be
 * damaged: damage in a payload costs that record alone, and what begins with a good head
 * but is cut off by the end of the file is a torn write, never damage. The salt is random
 * (one a process): no sender can make an event whose bytes are taken for a frame when the
 * next one is looked for behind a damaged head. Pure.
 */
#ifndef INGEST_DURABLE_SPOOL_FRAME_H
#define INGEST_DURABLE_SPOOL_FRAME_H

#include "common/base/buf.h"
#include "common/contract/record.h"

#include <stdint.h>

#define SPOOL_FRAME_HEAD_BYTES 16

/* Above the largest event (16 MiB) with all of its headers. */
#define SPOOL_FRAME_MAX_BYTES (32u << 20)

/* More than a record has: a newer version's headers are kept as well. */
#define SPOOL_HEADERS_MAX 32

/* What the spool keeps of a record: what Kafka's client is given, headers as they are,
 * those that this version does not know too. */
struct spool_record {
    enum event_type topic;
    struct view key;
    struct view value;
    size_t header_count;
    struct record_header headers[SPOOL_HEADERS_MAX];
};

/* Appends the record's frame. INVALID when it is larger than SPOOL_FRAME_MAX_BYTES; `out`
 * (without maximum) is then unchanged. */
MUST_CHECK bool spool_frame_encode(const struct spool_record *r, uint32_t salt,
                                   struct buf *out, struct error *err);

enum spool_step_kind {
    SPOOL_STEP_FRAME,  /* a whole frame */
    SPOOL_STEP_DAMAGE, /* bytes that are none; what follows them is certain */
    SPOOL_STEP_TORN,   /* to the end: a write that was never finished */
    SPOOL_STEP_MORE,   /* not enough bytes to tell */
    SPOOL_STEP_END,    /* nothing left */
};

struct spool_step {
    enum spool_step_kind kind;
    size_t len; /* bytes that it covers; for MORE: how many are needed at least */
};

/* What stands at the beginning of `bytes`; `is_end`: nothing comes behind them. Damage is
 * one step, up to the next certain head or to the end. Torn is: less than a head, a frame
 * whose head is good and whose payload is cut off, nothing but zeros. */
struct spool_step spool_frame_next(struct view bytes, bool is_end, uint32_t salt);

/* The first frame of bytes that are whole frames, made by spool_frame_encode. */
struct view spool_frame_whole(struct view frames);

/* The topic of a whole frame that was encoded here or came from spool_frame_next. False:
 * it has a topic that this version does not know. */
MUST_CHECK bool spool_frame_topic(struct view frame, enum event_type *out);

/* The record of a whole frame; views borrow from it. False when the payload is not what
 * it should be: then it is damage as well. */
MUST_CHECK bool spool_frame_decode(struct view frame, struct spool_record *out);

#endif

/* spool_segment: one file of the spool: its head, and reading it frame by frame.
 *
 * A segment is a head of 32 bytes and frames (spool_frame.h):
 *
 *     "BSSPOOL" and a line feed, version u32, salt u32, made at u64 (ms since 1970), 0
 *     u32, CRC-32C of those 28 bytes u32
 *
 * The version is that of the frames. A file of another version is left as it is. Reading
 * is sequential, by pread in pieces; whoever reads owns the reader. One thread at a time.
 */
#ifndef INGEST_DURABLE_SPOOL_SEGMENT_H
#define INGEST_DURABLE_SPOOL_SEGMENT_H

#include "ingest/durable/spool_folder.h"
#include "ingest/durable/spool_frame.h"

#define SPOOL_SEGMENT_HEAD_BYTES 32
#define SPOOL_VERSION 1

struct spool_head {
    uint32_t version;
    uint32_t salt;
    int64_t made_at_ms; /* since 1970 */
};

/* Writes the head as the file has it. */
void spool_head_format(const struct spool_head *head, char out[SPOOL_SEGMENT_HEAD_BYTES]);

enum spool_head_state {
    SPOOL_HEAD_GOOD,
    SPOOL_HEAD_UNFINISHED, /* shorter than a head, or nothing but zeros */
    SPOOL_HEAD_DAMAGED,
    SPOOL_HEAD_OTHER_VERSION, /* out's version says which */
};

/* What `bytes`, the beginning of a file (at most a head's length), are. */
enum spool_head_state spool_head_parse(struct view bytes, struct spool_head *out);

/* The records of a segment and their frames' bytes, by topic. */
struct spool_tally {
    uint64_t records[EVENT_TYPES];
    uint64_t bytes[EVENT_TYPES];
};

/* Counts a whole frame in; one of an unknown topic is not counted. */
void spool_tally_add(struct spool_tally *t, struct view frame);

/* Reads a segment. Zeroed and with fd -1 it is closed. */
struct spool_reader {
    int fd;
    uint64_t number;
    struct spool_head head;
    uint64_t offset;      /* of what spool_reader_next looks at next */
    struct buf piece;     /* bytes of the file .. */
    uint64_t piece_start; /* .. from this offset on */
};

#define SPOOL_READER_CLOSED                                                              \
    {                                                                                    \
        .fd = -1                                                                         \
    }

/* Opens segment `number` at its first frame. *out_state says what its head is; only with
 * SPOOL_HEAD_GOOD is there a reader. False: it cannot be read at all. */
MUST_CHECK bool spool_reader_open(const struct spool_folder *folder, uint64_t number,
                                  struct spool_reader *out,
                                  enum spool_head_state *out_state, struct error *err);

/* Goes on at `offset`, where a frame begins. */
void spool_reader_seek(struct spool_reader *r, uint64_t offset);

/* What stands at the reader's offset, which moves behind it; bytes from `end` on are not
 * looked at. For a frame *out_frame is it, valid until the next call; MORE is never
 * returned. False: the file cannot be read there. */
MUST_CHECK bool spool_reader_next(struct spool_reader *r, uint64_t end,
                                  struct spool_step *out, struct view *out_frame,
                                  struct error *err);

/* Closes; a closed one is allowed. */
void spool_reader_close(struct spool_reader *r);

#endif

/* replay_stream: a replay's records: frozen ranges of offsets, seen through the stream
 * port as an assignment that never changes.
 *
 * It wraps a stream that belongs to no group. The consumer reads it like any other: the
 * partitions of the run are assigned at the first poll, positions are the run's (the
 * sink's, postgres_sink.h), commits only tell how far each is loaded. Records that the
 * selection does not want come through as skipped, so that the accounting of the run
 * stays exact; what lies at or behind a range's end does not come through. Records may be
 * given another schema. The consumer's thread.
 */
#ifndef LOADER_CONSUME_REPLAY_STREAM_H
#define LOADER_CONSUME_REPLAY_STREAM_H

#include "loader/consume/selection.h"
#include "loader/consume/stream.h"

struct replay_range {
    char topic[TOPIC_NAME_BYTES];
    int32_t partition;
    int64_t from, to; /* what is left to read: `to` is behind the last */
};

struct replay_stream_setup {
    struct stream under; /* belongs to no group; closed with this one */
    const struct replay_range *ranges;
    size_t range_count;
    const struct selection *selection;
    const char *target_schema; /* NULL: the records' own */
    bool allows_lost;          /* go on past what retention took; else that is a fault */
    uint64_t rate; /* records a second that are loaded; 0: as many as there are */
};

/* Takes over setup->under; ranges are copied, the selection must outlive it. */
void replay_stream_open(const struct replay_stream_setup *setup, struct stream *out);

/* While others load live, a replay takes a quarter of the time, in small transactions: it
 * rests after each for three times as long as that took. */
void replay_stream_set_yields(struct stream *stream, bool yields);

/* True when every range was read to its end and all of it is loaded. */
bool replay_stream_is_done(const struct stream *stream);

/* What makes going on wrong, in words: the log lost records, or is another one. NULL:
 * nothing. */
const char *replay_stream_fault(const struct stream *stream);

#endif

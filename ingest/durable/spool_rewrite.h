/* spool_rewrite: puts a smaller segment in a segment's place: the frames that are still
 * to be delivered.
 *
 * The new file is whole and synced before it takes the old one's name, so that whenever
 * the process ends one of the two is there. Frames are copied as they are, under the old
 * head. One thread.
 */
#ifndef INGEST_DURABLE_SPOOL_REWRITE_H
#define INGEST_DURABLE_SPOOL_REWRITE_H

#include "ingest/durable/spool_segment.h"

/* Which frames stay: those of a topic from its offset on; UINT64_MAX: none. */
struct spool_keep {
    uint64_t from[EVENT_TYPES];
};

struct spool_rewritten {
    uint64_t bytes;
    struct spool_tally tally;
};

/* Of segment `number` the bytes up to `end` are read. False: the old one is there as it
 * was. */
MUST_CHECK bool spool_rewrite(const struct spool_folder *folder, uint64_t number,
                              uint64_t end, const struct spool_keep *keep,
                              struct spool_rewritten *out, struct error *err);

#endif

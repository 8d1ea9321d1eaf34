/* spool_survey: reads a segment through: what it holds, and what of it cannot be read.
 *
 * For what an earlier process left. Reads only; what to do about it is the log's to
 * decide. One thread per reader.
 */
#ifndef INGEST_DURABLE_SPOOL_SURVEY_H
#define INGEST_DURABLE_SPOOL_SURVEY_H

#include "ingest/durable/spool_segment.h"

struct spool_survey {
    struct spool_tally tally;
    uint64_t damaged;   /* stretches that are no frames, and frames that are no records */
    uint64_t torn_at;   /* where an unfinished write begins; the segment's end: nowhere */
    bool is_unreadable; /* the disk refused: what is behind is unknown; counts in damaged
                         */
};

/* From the reader's offset up to `end`, the segment's length. With is_unreadable *err is
 * why. */
void spool_survey(struct spool_reader *r, uint64_t end, struct spool_survey *out,
                  struct error *err);

#endif

#include "ingest/durable/spool_survey.h"

/* A frame that was whole and is no record is damage as well: nobody can deliver it. */
static void count_frame(struct spool_survey *s, struct view frame)
{
    struct spool_record record;
    if (spool_frame_decode(frame, &record)) {
        spool_tally_add(&s->tally, frame);
    } else {
        s->damaged++;
    }
}

void spool_survey(struct spool_reader *r, uint64_t end, struct spool_survey *out,
                  struct error *err)
{
    struct spool_step step = { .kind = SPOOL_STEP_MORE };
    struct view frame;
    *out = (struct spool_survey){ .torn_at = end };
    while (step.kind != SPOOL_STEP_END) {
        uint64_t offset = r->offset;
        if (!spool_reader_next(r, end, &step, &frame, err)) {
            out->is_unreadable = true;
            out->damaged++;
            return;
        }
        if (step.kind == SPOOL_STEP_FRAME) {
            count_frame(out, frame);
        } else if (step.kind == SPOOL_STEP_DAMAGE) {
            out->damaged++;
        } else if (step.kind == SPOOL_STEP_TORN) {
            out->torn_at = offset;
        }
    }
}

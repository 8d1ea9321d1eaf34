/* replay_plan: from the flags of `replay` to a run: which offsets of which partitions,
 * asked of Kafka, and what retention has taken of them. Writes nothing.
 */
#ifndef LOADER_COMMANDS_REPLAY_PLAN_H
#define LOADER_COMMANDS_REPLAY_PLAN_H

#include "loader/commands/commands.h"
#include "loader/commands/shared.h"
#include "loader/consume/selection.h"
#include "loader/postgres/replay_runs.h"

struct replay_plan {
    struct replay_run run; /* state "planned"; every partition that is meant */
    struct selection selection;
    struct buf taken; /* what retention has taken, a line each; empty: nothing */
};

/* A mistake of usage: the flags do not say what to read. */
MUST_CHECK bool replay_plan_make(const struct loader_options *o,
                                 const struct replay_flags *flags,
                                 struct replay_plan *out, struct error *err);
void replay_plan_release(struct replay_plan *plan);

/* A new name: the time, and a few digits that no other run of this second has. */
void replay_plan_name(char *out, size_t size);

#endif

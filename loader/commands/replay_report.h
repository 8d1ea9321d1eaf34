/* replay_report: what `replay` prints: the plan, the accounting at the end, the runs that
 * there are; as text or as one JSON document on stdout.
 */
#ifndef LOADER_COMMANDS_REPLAY_REPORT_H
#define LOADER_COMMANDS_REPLAY_REPORT_H

#include "loader/commands/replay_plan.h"

/* The plan. `is_saved`: the run can be executed by its name. */
void replay_report_plan(struct replay_plan *plan, bool is_saved, bool json);

/* What a run has come to. `state`: "done", "stopped", "failed". */
void replay_report_end(const struct replay_run *run, const struct replay_counts *counts,
                       const char *state, bool json);

/* All runs, the last first. */
MUST_CHECK bool replay_report_list(struct connection *c, bool json, struct error *err);

#endif

/* replay_execute: takes a run to its end, from wherever it is, and tells what came of it:
 * for `replay`, and for `rejected retry`, which is one.
 */
#ifndef LOADER_COMMANDS_REPLAY_EXECUTE_H
#define LOADER_COMMANDS_REPLAY_EXECUTE_H

#include "loader/commands/shared.h"
#include "loader/consume/selection.h"
#include "loader/postgres/replay_runs.h"

struct replay_execution {
    const struct command_call *call;
    const struct loader_options *options;
    struct connection *connection; /* beside the loading; opened again when it was lost */
    struct replay_run *run;        /* as it was read, or added */
    bool allows_partial;           /* from now on, if it did not before */
    /* Its own. */
    struct selection selection;
    struct replay_counts counts;
    bool has_begun, was_stopped;
};

/* Executes the run, prints the accounting, returns the exit code: 0 done and it adds up,
 * 1 failed, 3 stopped. */
int replay_execute(struct replay_execution *r);

/* Prints the accounting of a run that is done already; the same exit code. */
int replay_report_run(struct replay_execution *r);

/* The partition in the log; NULL: it is not there. */
const struct log_partition *replay_find_in_log(const struct loader_options *o,
                                               const struct log_bounds *log,
                                               const struct replay_partition *p);

#endif

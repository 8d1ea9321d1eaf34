/* replay_target: a schema beside the live one into which a replay loads, and its taking
 * the live one's place (operations.md, section 4).
 */
#ifndef LOADER_COMMANDS_REPLAY_TARGET_H
#define LOADER_COMMANDS_REPLAY_TARGET_H

#include "loader/postgres/replay_runs.h"

#include <stdio.h>

/* Finds the live schema of the source that `name` (its schema or its slug) means: sets
 * run->live_schema. INVALID when none was loaded yet. */
MUST_CHECK bool replay_target_find(struct connection *c, const char *name,
                                   struct replay_run *run, struct error *err);

/* Before loading begins or goes on: the schema with tables like the live ones, if the run
 * wants them so; else the loader makes them by what it meets. */
MUST_CHECK bool replay_target_prepare(struct connection *c, const struct replay_run *run,
                                      struct error *err);

/* Tells both schemas' rows, table by table. */
MUST_CHECK bool replay_target_compare(struct connection *c, const struct replay_run *run,
                                      FILE *out, struct error *err);

/* Renames, in one transaction; sets run->kept_schema. */
MUST_CHECK bool replay_target_swap(struct connection *c, struct replay_run *run,
                                   struct error *err);

#endif

/* replay_runs: backstitch.replay and backstitch.replay_run: what replays are to read, how
 * far they are, and what came of them (operations.md, section 4).
 *
 * While one runs, its positions move only in the transactions of its rows (positions.h,
 * load_query.h); what became of the records is counted there too, in load_stat under the
 * loader "replay RUN". Here is the rest: plan, look, end. One thread.
 */
#ifndef LOADER_POSTGRES_REPLAY_RUNS_H
#define LOADER_POSTGRES_REPLAY_RUNS_H

#include "loader/postgres/connection.h"
#include "loader/postgres/sink_load.h"

#define REPLAY_RUN_BYTES 40

/* What load_stat calls the loader of a run: this and the run's name. */
#define REPLAY_OWNER "replay "

struct replay_partition {
    char topic[TOPIC_NAME_BYTES];
    int32_t partition;
    int64_t from, to;                          /* offsets; `to` is behind the last */
    int64_t next;                              /* how far it is */
    int64_t records, skipped, deletions, lost; /* replay_run's */
};

struct replay_run {
    char run[REPLAY_RUN_BYTES];
    char *cluster_id;
    char *selection;      /* selection.h */
    char *live_schema;    /* with a target: whose tables it stands beside */
    char *target_schema;  /* NULL: the records' own */
    bool has_fresh_types; /* the target's tables are not like the live ones */
    bool is_overwriting, allows_partial;
    bool is_retry; /* of rejected events: those that are loaded leave _sdc_rejected */
    uint64_t rate;
    char state[16];    /* "planned", "running", "done", "swapped" */
    char *kept_schema; /* after a swap; else NULL */
    struct replay_partition *partitions;
    size_t partition_count;
};

/* What became of the records that a run has loaded. */
struct replay_counts {
    int64_t rows_new, rows_replaced, rows_present, rejected, suppressed;
};

/* Writes a plan: the run's rows, each at its beginning. */
MUST_CHECK bool replay_runs_add(struct connection *c, const struct replay_run *run,
                                struct error *err);

/* Reads a run; INVALID when there is none of that name. Free with replay_run_release. */
MUST_CHECK bool replay_runs_read(struct connection *c, const char *name,
                                 struct replay_run *out, struct error *err);
void replay_run_release(struct replay_run *run);

/* Reads how far it is, and its counts. */
MUST_CHECK bool replay_runs_refresh(struct connection *c, struct replay_run *run,
                                    struct replay_counts *out, struct error *err);

/* The run goes on: its state, and whether it may go past what is lost, from now on. */
MUST_CHECK bool replay_runs_begin(struct connection *c, const struct replay_run *run,
                                  struct error *err);

/* Everything was read and loaded: each partition is at its end. */
MUST_CHECK bool replay_runs_end(struct connection *c, const struct replay_run *run,
                                struct error *err);

/* True when others have loaded live in this minute or the last two. */
MUST_CHECK bool replay_runs_is_live_busy(struct connection *c, bool *out,
                                         struct error *err);

/* Sums over the partitions. */
struct replay_partition replay_run_sum(const struct replay_run *run);

/* The accounting adds up: every record of the range is one of these. */
bool replay_run_adds_up(const struct replay_run *run, const struct replay_counts *counts);

#endif

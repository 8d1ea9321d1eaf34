#include "loader/commands/replay_execute.h"

#include "loader/commands/parts.h"
#include "loader/commands/replay_report.h"
#include "loader/commands/replay_target.h"
#include "loader/consume/replay_stream.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_MS 1000
/* A bite of a replay that yields fills no batch (replay_stream.c): this is how soon it is
 * loaded. */
#define BATCH_AGE_MS 20

/* ---- may it run? ---- */

const struct log_partition *replay_find_in_log(const struct loader_options *o,
                                               const struct log_bounds *log,
                                               const struct replay_partition *p)
{
    enum event_type type;
    if (!topic_name_parse(o->topic_prefix, view_cstr(p->topic), &type)) {
        return NULL;
    }
    for (size_t i = 0; i < log->count; i++) {
        if (log->partitions[i].topic == type &&
            log->partitions[i].partition == p->partition) {
            return &log->partitions[i];
        }
    }
    return NULL;
}

/* The plan was made for one log: is it still that one, and all there? */
static bool check_partition(const struct replay_execution *r,
                            const struct log_bounds *log,
                            const struct replay_partition *p, struct error *err)
{
    const struct log_partition *now = replay_find_in_log(r->options, log, p);
    if (p->next >= p->to) {
        return true;
    }
    if (now == NULL || now->end < p->to) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "%s:%d ends at %lld, but the plan says %lld: the topic was made "
                         "anew since; plan again",
                         p->topic, p->partition, now == NULL ? 0LL : (long long)now->end,
                         (long long)p->to);
    }
    return now->start <= p->next || r->run->allows_partial ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "%s:%d begins at %lld now: retention has taken the offsets from "
                     "%lld on; --allow-partial goes on without them",
                     p->topic, p->partition, (long long)now->start, (long long)p->next);
}

static bool check_log(const struct replay_execution *r, struct error *err)
{
    struct log_bounds log;
    if (!shared_read_log(r->options, &log, err)) {
        return false;
    }
    bool done = log.cluster_id != NULL && strcmp(log.cluster_id, r->run->cluster_id) == 0;
    if (!done) {
        error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                  "this is not the cluster that the plan was made for (%s): plan again",
                  r->run->cluster_id);
    }
    for (size_t i = 0; done && i < r->run->partition_count; i++) {
        done = check_partition(r, &log, &r->run->partitions[i], err);
    }
    log_bounds_release(&log);
    return done;
}

/* ---- loading ---- */

/* "topic:partition" of each, when what is gone may be left out. */
static char **name_partitions(const struct replay_execution *r)
{
    char **names = mem_calloc(r->run->partition_count + 1, sizeof *names);
    for (size_t i = 0; r->run->allows_partial && i < r->run->partition_count; i++) {
        char name[TOPIC_NAME_BYTES + 16];
        snprintf(name, sizeof name, "%s:%d", r->run->partitions[i].topic,
                 r->run->partitions[i].partition);
        names[i] = mem_strdup(name);
    }
    return names;
}

/* Looks how far it is, and whether others load. A database that is away is the loading's
 * to tell. */
static void look(struct replay_execution *r, struct stream *stream, struct progress *p)
{
    struct error err;
    char detail[100];
    bool is_busy = false;
    if (r->connection->pg == NULL &&
        !connection_open(r->connection, r->options->database_url, &err)) {
        return;
    }
    if (!replay_runs_refresh(r->connection, r->run, &r->counts, &err) ||
        !replay_runs_is_live_busy(r->connection, &is_busy, &err)) {
        connection_close(r->connection);
        return;
    }
    replay_stream_set_yields(stream, is_busy);
    struct replay_partition sum = replay_run_sum(r->run);
    int64_t written = r->counts.rows_new + r->counts.rows_replaced;
    snprintf(detail, sizeof detail, "%lld new, %lld present, %lld rejected",
             (long long)written, (long long)r->counts.rows_present,
             (long long)r->counts.rejected);
    p->detail = detail;
    progress_update(p, sum.next - sum.from, 0);
    p->detail = NULL;
}

static bool turn_until_done(struct replay_execution *r, struct consumer *consumer,
                            struct stream *stream)
{
    struct progress p;
    struct replay_partition sum = replay_run_sum(r->run);
    int64_t look_at = clock_mono_ms();
    bool goes_on = true;
    progress_begin(&p, "replay_progress", "offsets", sum.to - sum.from);
    while (goes_on && !shutdown_is_requested() && !replay_stream_is_done(stream) &&
           replay_stream_fault(stream) == NULL) {
        goes_on = consumer_turn(consumer);
        if (clock_mono_ms() >= look_at) {
            look(r, stream, &p);
            look_at = clock_mono_ms() + LOOK_EVERY_MS;
        }
    }
    progress_end(&p);
    return goes_on;
}

static bool load(struct replay_execution *r, struct parts *parts, struct error *err)
{
    parts_read_ranges(parts, r->run, &r->selection);
    char **accept_gap = name_partitions(r);
    struct consumer_setup setup = {
        .stream = &parts->stream,
        .writer = &parts->writer,
        .context = parts_batch_context(parts),
        .limits = { .batch_rows = r->options->batch_rows,
                    .batch_bytes = r->options->batch_bytes,
                    .batch_age_ms = BATCH_AGE_MS },
        .accept_gap = (const char *const *)accept_gap,
        .metrics = parts->metrics,
        .open_again = parts_open_again,
        .open_context = parts,
    };
    struct consumer *consumer = consumer_new(&setup);
    bool goes_on = turn_until_done(r, consumer, &parts->stream);
    const char *fault = replay_stream_fault(&parts->stream);
    bool is_done = replay_stream_is_done(&parts->stream);
    enum consumer_end end = consumer_finish(consumer);
    loader_options_free_list(accept_gap);
    if (fault != NULL) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "%s", fault);
    }
    if (!goes_on || end == CONSUMER_FAILED) {
        return error_set(err, ERROR_FATAL, ERROR_FROM_SELF, NULL,
                         "it cannot go on; the log line above says why");
    }
    r->was_stopped = !is_done;
    return true;
}

static bool execute(struct replay_execution *r, struct error *err)
{
    struct parts parts;
    struct parts_setup setup = { .options = r->options,
                                 .replay = r->run->run,
                                 .deletions_of = r->run->live_schema,
                                 .overwrites = r->run->is_overwriting,
                                 .clears_rejected = r->run->is_retry };
    r->run->allows_partial = r->run->allows_partial || r->allows_partial;
    if (!selection_read(&r->selection, r->run->selection, err) || !check_log(r, err) ||
        (r->run->target_schema != NULL &&
         !replay_target_prepare(r->connection, r->run, err)) ||
        !replay_runs_begin(r->connection, r->run, err)) {
        return false;
    }
    r->has_begun = true;
    bool done = parts_build(&parts, &setup, err) && load(r, &parts, err);
    parts_take_down(&parts);
    if (done && !r->was_stopped) {
        done = (r->connection->pg != NULL ||
                connection_open(r->connection, r->options->database_url, err)) &&
               replay_runs_end(r->connection, r->run, err);
    }
    return done;
}

/* ---- the end ---- */

static void tell_how_to_go_on(const struct replay_execution *r)
{
    fprintf(stderr, "To go on: backstitch-loader replay --resume %s\n", r->run->run);
}

static bool refresh(struct replay_execution *r)
{
    struct error ignored;
    return (r->connection->pg != NULL ||
            connection_open(r->connection, r->options->database_url, &ignored)) &&
           replay_runs_refresh(r->connection, r->run, &r->counts, &ignored);
}

static int report(struct replay_execution *r, bool done, const struct error *err)
{
    const char *state = !done ? "failed" : r->was_stopped ? "stopped" : "done";
    bool is_known = refresh(r);
    if (is_known) {
        replay_report_end(r->run, &r->counts, state, r->call->json);
    }
    if (!done) {
        shared_fail(r->call, err);
    }
    if (!done || r->was_stopped) {
        tell_how_to_go_on(r);
        return done ? EXIT_WORK_LEFT : EXIT_FAILED;
    }
    return is_known && replay_run_adds_up(r->run, &r->counts) ? EXIT_DONE : EXIT_FAILED;
}

int replay_execute(struct replay_execution *r)
{
    struct error err = { .text = "" };
    bool done = execute(r, &err);
    /* What was refused at once has nothing to account for. */
    int code = r->has_begun ? report(r, done, &err) : shared_fail(r->call, &err);
    selection_release(&r->selection);
    return code;
}

int replay_report_run(struct replay_execution *r)
{
    const struct error none = { .text = "" };
    return report(r, true, &none);
}

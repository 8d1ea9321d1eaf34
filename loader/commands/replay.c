/* replay: the `replay` command: reads records of the log again (operations.md, section
 * 4). Without --execute it makes a plan, whose ends are frozen, and keeps it; a run is
 * executed or gone on with from what is kept, on any host. It loads as the live loader
 * does, by the same parts: a stream of the plan's ranges stands for the group, and
 * backstitch.replay_run for the positions. */
#include "loader/commands/parts.h"
#include "loader/commands/replay_plan.h"
#include "loader/commands/replay_report.h"
#include "loader/commands/replay_target.h"
#include "loader/consume/replay_stream.h"
#include "loader/postgres/control_schema.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"
#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY_MS 1000
/* What does not fill a batch waits longer than live: it is in no hurry. */
#define BATCH_AGE_MS 200

struct replay {
    const struct command_call *call;
    const struct loader_options *options;
    const struct replay_flags *flags;
    struct connection connection; /* beside the loading: the plan, how far it is */
    struct replay_run run;
    struct replay_counts counts;
    struct selection selection;
    bool was_stopped;
};

#define refuse(err, code, ...)                                                           \
    error_set(err, ERROR_INVALID, ERROR_FROM_SELF, code, __VA_ARGS__)

/* ---- may it run? ---- */

static const struct log_partition *find_in_log(const struct replay *r,
                                               const struct log_bounds *log,
                                               const struct replay_partition *p)
{
    enum event_type type;
    if (!topic_name_parse(r->options->topic_prefix, view_cstr(p->topic), &type)) {
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
static bool check_partition(const struct replay *r, const struct log_bounds *log,
                            const struct replay_partition *p, struct error *err)
{
    const struct log_partition *now = find_in_log(r, log, p);
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
    return now->start <= p->next || r->run.allows_partial ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "%s:%d begins at %lld now: retention has taken the offsets from "
                     "%lld on; --allow-partial goes on without them",
                     p->topic, p->partition, (long long)now->start, (long long)p->next);
}

static bool check_log(const struct replay *r, struct error *err)
{
    struct log_bounds log;
    struct log_bounds_setup setup = replay_plan_bounds(r->options);
    if (!log_bounds_read(&setup, &log, err)) {
        return error_prefix(err, "KAFKA_BROKERS=%s", r->options->kafka_brokers);
    }
    bool done = log.cluster_id != NULL && strcmp(log.cluster_id, r->run.cluster_id) == 0;
    if (!done) {
        refuse(err, NULL,
               "this is not the cluster that the plan was made for (%s): plan again",
               r->run.cluster_id);
    }
    for (size_t i = 0; done && i < r->run.partition_count; i++) {
        done = check_partition(r, &log, &r->run.partitions[i], err);
    }
    log_bounds_release(&log);
    return done;
}

/* ---- loading ---- */

static void open_ranges(const struct replay *r, struct parts *parts, struct stream *out)
{
    struct replay_range *ranges = mem_calloc(r->run.partition_count, sizeof *ranges);
    for (size_t i = 0; i < r->run.partition_count; i++) {
        const struct replay_partition *p = &r->run.partitions[i];
        memcpy(ranges[i].topic, p->topic, sizeof ranges[i].topic);
        ranges[i].partition = p->partition;
        ranges[i].from = p->next;
        ranges[i].to = p->to;
    }
    struct replay_stream_setup setup = { .under = parts->stream,
                                         .ranges = ranges,
                                         .range_count = r->run.partition_count,
                                         .selection = &r->selection,
                                         .target_schema = r->run.target_schema,
                                         .allows_lost = r->run.allows_partial,
                                         .rate = r->run.rate };
    replay_stream_open(&setup, out);
    parts->stream = *out;
    free(ranges);
}

/* "topic:partition" of each, when what is gone may be left out. */
static char **name_partitions(const struct replay *r)
{
    char **names = mem_calloc(r->run.partition_count + 1, sizeof *names);
    for (size_t i = 0; r->run.allows_partial && i < r->run.partition_count; i++) {
        char name[TOPIC_NAME_BYTES + 16];
        snprintf(name, sizeof name, "%s:%d", r->run.partitions[i].topic,
                 r->run.partitions[i].partition);
        names[i] = mem_strdup(name);
    }
    return names;
}

/* Looks how far it is, and whether others load. A database that is away is the loading's
 * to tell. */
static void look(struct replay *r, struct stream *stream, struct progress *p)
{
    struct error err;
    char detail[100];
    bool is_busy = false;
    if (r->connection.pg == NULL &&
        !connection_open(&r->connection, r->options->database_url, &err)) {
        return;
    }
    if (!replay_runs_refresh(&r->connection, &r->run, &r->counts, &err) ||
        !replay_runs_is_live_busy(&r->connection, &is_busy, &err)) {
        connection_close(&r->connection);
        return;
    }
    replay_stream_set_yields(stream, is_busy);
    struct replay_partition sum = replay_run_sum(&r->run);
    int64_t written = r->counts.rows_new + r->counts.rows_replaced;
    snprintf(detail, sizeof detail, "%lld new, %lld present, %lld rejected",
             (long long)written, (long long)r->counts.rows_present,
             (long long)r->counts.rejected);
    p->detail = detail;
    progress_update(p, sum.next - sum.from, 0);
    p->detail = NULL;
}

static bool turn_until_done(struct replay *r, struct consumer *consumer,
                            struct stream *stream)
{
    struct progress p;
    struct replay_partition sum = replay_run_sum(&r->run);
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

static bool load(struct replay *r, struct parts *parts, struct error *err)
{
    struct stream stream;
    open_ranges(r, parts, &stream);
    char **accept_gap = name_partitions(r);
    struct consumer_setup setup = {
        .stream = &stream,
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
    bool goes_on = turn_until_done(r, consumer, &stream);
    const char *fault = replay_stream_fault(&stream);
    bool is_done = replay_stream_is_done(&stream);
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

static bool execute(struct replay *r, struct error *err)
{
    struct parts parts;
    struct parts_setup setup = { .options = r->options,
                                 .replay = r->run.run,
                                 .overwrites = r->run.is_overwriting };
    r->run.allows_partial = r->run.allows_partial || r->flags->allow_partial;
    if (!selection_read(&r->selection, r->run.selection, err) || !check_log(r, err) ||
        (r->run.target_schema != NULL &&
         !replay_target_prepare(&r->connection, &r->run, r->flags->fresh_types, err)) ||
        !replay_runs_begin(&r->connection, &r->run, err)) {
        return false;
    }
    bool done = parts_build(&parts, &setup, err) && load(r, &parts, err);
    parts_take_down(&parts);
    if (done && !r->was_stopped) {
        done = (r->connection.pg != NULL ||
                connection_open(&r->connection, r->options->database_url, err)) &&
               replay_runs_end(&r->connection, &r->run, err);
    }
    return done;
}

/* ---- the end ---- */

static void tell_how_to_go_on(const struct replay *r)
{
    fprintf(stderr, "To go on: backstitch-loader replay --resume %s\n", r->run.run);
}

static int report(struct replay *r, bool done, const struct error *err)
{
    struct error ignored;
    if (r->connection.pg == NULL &&
        !connection_open(&r->connection, r->options->database_url, &ignored)) {
        r->connection.pg = NULL;
    }
    bool is_known = r->connection.pg != NULL &&
                    replay_runs_refresh(&r->connection, &r->run, &r->counts, &ignored);
    if (is_known) {
        replay_report_end(&r->run, &r->counts,
                          !done            ? "failed"
                          : r->was_stopped ? "stopped"
                                           : "done",
                          r->call->json);
    }
    if (!done) {
        fprintf(stderr, "backstitch-loader: replay: %s\n", err->text);
        tell_how_to_go_on(r);
        return EXIT_FAILED;
    }
    if (r->was_stopped) {
        tell_how_to_go_on(r);
        return EXIT_WORK_LEFT;
    }
    return is_known && replay_run_adds_up(&r->run, &r->counts) ? EXIT_DONE : EXIT_FAILED;
}

static int execute_and_report(struct replay *r)
{
    struct error err = { .text = "" };
    bool done = execute(r, &err);
    return report(r, done, &err);
}

static int fail(const struct error *err)
{
    fprintf(stderr, "backstitch-loader: replay: %s\n", err->text);
    return strcmp(err->code, REPLAY_USAGE) == 0 ? EXIT_USAGE : EXIT_FAILED;
}

/* ---- a new plan ---- */

static bool may_execute(const struct replay_plan *plan, struct error *err)
{
    if (plan->run.partition_count == 0) {
        return refuse(err, NULL, "there is nothing to read");
    }
    return plan->taken.len == 0 || plan->run.allows_partial ||
           refuse(err, NULL,
                  "retention has taken part of the range; --allow-partial goes on "
                  "without it");
}

static int plan_anew(struct replay *r)
{
    struct error err = { .text = "" };
    struct replay_plan plan;
    if (!replay_plan_make(r->options, r->flags, &plan, &err)) {
        return fail(&err);
    }
    bool done = r->run.target_schema == NULL;
    if (plan.run.target_schema != NULL) {
        done = replay_target_find(&r->connection, r->flags->source, &plan.run, &err);
    }
    bool is_fit = done && may_execute(&plan, &err);
    if (is_fit) {
        is_fit = replay_runs_add(&r->connection, &plan.run, &err);
    }
    if (done && (!r->flags->execute || !is_fit)) {
        replay_report_plan(&plan, is_fit, r->call->json);
    }
    r->run = plan.run;
    plan.run = (struct replay_run){ .rate = 0 };
    replay_plan_release(&plan);
    if (!is_fit) {
        return fail(&err);
    }
    if (r->flags->execute) {
        return execute_and_report(r);
    }
    fprintf(stderr,
            "\nNothing was loaded. To execute this plan: backstitch-loader replay "
            "--resume %s\n",
            r->run.run);
    return EXIT_DONE;
}

/* ---- a run that there is ---- */

/* What came since the end of the plan went into the tables of before. */
static int catch_up(struct replay *r)
{
    struct log_bounds log;
    struct log_bounds_setup setup = replay_plan_bounds(r->options);
    struct error err;
    size_t count = 0;
    if (!log_bounds_read(&setup, &log, &err)) {
        return fail(&err);
    }
    for (size_t i = 0; i < r->run.partition_count; i++) {
        struct replay_partition *p = &r->run.partitions[i];
        const struct log_partition *now = find_in_log(r, &log, p);
        if (now != NULL && now->end > p->to) {
            struct replay_partition next = {
                .partition = p->partition, .from = p->to, .next = p->to, .to = now->end
            };
            memcpy(next.topic, p->topic, sizeof next.topic);
            r->run.partitions[count++] = next;
        }
    }
    log_bounds_release(&log);
    r->run.partition_count = count;
    if (count == 0) {
        return EXIT_DONE;
    }
    free(r->run.target_schema);
    free(r->run.live_schema);
    r->run.target_schema = NULL;
    r->run.live_schema = NULL;
    r->run.rate = 0;
    replay_plan_name(r->run.run, sizeof r->run.run);
    fprintf(stderr, "Catching up with what came since the plan was made:\n");
    return replay_runs_add(&r->connection, &r->run, &err) ? execute_and_report(r)
                                                          : fail(&err);
}

static int swap(struct replay *r)
{
    struct error err = { .text = "" };
    if (r->run.target_schema == NULL || strcmp(r->run.state, "done") != 0) {
        refuse(&err, NULL,
               "%s: only a run with --target-schema that is done can be swapped",
               r->run.run);
        return fail(&err);
    }
    if (!replay_target_compare(&r->connection, &r->run, &err)) {
        return fail(&err);
    }
    if (!r->flags->execute) {
        fprintf(stderr,
                "\nNothing was changed. With --execute %s takes the place of %s, whose "
                "tables are kept\nunder another name, and what came since the plan was "
                "made is loaded.\n",
                r->run.target_schema, r->run.live_schema);
        return EXIT_DONE;
    }
    if (!replay_target_swap(&r->connection, &r->run, &err)) {
        return fail(&err);
    }
    printf("%s is now what %s was; the tables of before are in %s\n", r->run.live_schema,
           r->run.target_schema, r->run.kept_schema);
    fflush(stdout);
    return catch_up(r);
}

static int resume(struct replay *r)
{
    struct error err = { .text = "" };
    if (!replay_runs_read(&r->connection, r->flags->resume, &r->run, &err)) {
        return fail(&err);
    }
    if (r->flags->swap) {
        return swap(r);
    }
    if (strcmp(r->run.state, "done") == 0 || strcmp(r->run.state, "swapped") == 0) {
        return report(r, true, &err);
    }
    return execute_and_report(r);
}

/* ---- the command ---- */

static bool check_flags(const struct replay_flags *f, struct error *err)
{
    bool selects = f->topic != NULL || f->partition != NULL || f->from_time != NULL ||
                   f->from_offset != NULL || f->from_earliest || f->until_time != NULL ||
                   f->until_offset != NULL || f->source != NULL || f->type != NULL ||
                   f->message_id != NULL || f->message_ids_from != NULL ||
                   f->target_schema != NULL || f->overwrite || f->rate != NULL;
    if (f->resume != NULL && selects) {
        return refuse(err, REPLAY_USAGE,
                      "--resume %s: what it reads was decided when it was planned; leave "
                      "the other flags out",
                      f->resume);
    }
    return !f->swap || f->resume != NULL ||
           refuse(err, REPLAY_USAGE, "--swap: of which run? Name it with --resume RUN");
}

/* On a terminal the bar tells what goes on. */
static void configure_log(const struct loader_options *o)
{
    unsigned level = o->log_level;
    if (isatty(STDERR_FILENO) == 1 && level < LOG_WARN) {
        level = LOG_WARN;
    }
    log_configure((enum log_level)level, (enum log_format)o->log_format);
}

int command_replay(const struct command_call *call)
{
    struct replay r = { .call = call, .options = call->config, .flags = call->flags };
    struct error err = { .text = "" };
    int code = EXIT_FAILED;
    configure_log(r.options);
    if (!check_flags(r.flags, &err) || !shutdown_start(&err)) {
        code = fail(&err);
    } else if (!connection_open(&r.connection, r.options->database_url, &err) ||
               !control_schema_migrate(&r.connection, &err)) {
        error_prefix(&err, "DATABASE_URL");
        code = fail(&err);
    } else if (r.flags->list) {
        code =
            replay_report_list(&r.connection, call->json, &err) ? EXIT_DONE : fail(&err);
    } else {
        code = r.flags->resume != NULL ? resume(&r) : plan_anew(&r);
    }
    connection_close(&r.connection);
    selection_release(&r.selection);
    replay_run_release(&r.run);
    return code;
}

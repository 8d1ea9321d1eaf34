/* replay: the `replay` command: reads records of the log again (operations.md, section
 * 4). Without --execute it makes a plan, whose ends are frozen, and keeps it; a run is
 * executed or gone on with from what is kept, on any host. It loads as the live loader
 * does, by the same parts: a stream of the plan's ranges stands for the group, and
 * backstitch.replay_run for the positions. */
#include "loader/commands/replay_execute.h"
#include "loader/commands/replay_plan.h"
#include "loader/commands/replay_report.h"
#include "loader/commands/replay_target.h"

#include "common/service/shutdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replay {
    const struct command_call *call;
    const struct loader_options *options;
    const struct replay_flags *flags;
    struct connection connection; /* beside the loading: the plan, how far it is */
    struct replay_run run;
};

static struct replay_execution execution_of(struct replay *r)
{
    return (struct replay_execution){ .call = r->call,
                                      .options = r->options,
                                      .connection = &r->connection,
                                      .run = &r->run,
                                      .allows_partial = r->flags->allow_partial };
}

static int execute(struct replay *r)
{
    struct replay_execution e = execution_of(r);
    return replay_execute(&e);
}

static int fail(const struct replay *r, const struct error *err)
{
    return shared_fail(r->call, err);
}

/* ---- a new plan ---- */

static bool may_execute(const struct replay_plan *plan, struct error *err)
{
    struct replay_partition sum = replay_run_sum(&plan->run);
    if (sum.from == sum.to) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "there is nothing to read");
    }
    return plan->taken.len == 0 || plan->run.allows_partial ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "retention has taken part of the range; --allow-partial goes on "
                     "without it");
}

static int plan_anew(struct replay *r)
{
    struct error err = { .text = "" };
    struct replay_plan plan;
    if (!replay_plan_make(r->options, r->flags, &plan, &err)) {
        return fail(r, &err);
    }
    bool done = plan.run.target_schema == NULL ||
                replay_target_find(&r->connection, r->flags->source, &plan.run, &err);
    bool is_fit = done && may_execute(&plan, &err) &&
                  replay_runs_add(&r->connection, &plan.run, &err);
    if (done && (!r->flags->execute || !is_fit)) {
        replay_report_plan(&plan, is_fit, r->call->json);
    }
    r->run = plan.run;
    plan.run = (struct replay_run){ .rate = 0 };
    replay_plan_release(&plan);
    if (!is_fit) {
        return fail(r, &err);
    }
    if (r->flags->execute) {
        return execute(r);
    }
    fprintf(stderr,
            "\nNothing was loaded. To execute this plan: backstitch-loader replay "
            "--resume %s\n",
            r->run.run);
    return EXIT_DONE;
}

/* ---- a run that there is ---- */

/* From where the run ended to where the log ends now: those that have more. */
static size_t keep_what_came(struct replay *r, const struct log_bounds *log)
{
    size_t count = 0;
    for (size_t i = 0; i < r->run.partition_count; i++) {
        struct replay_partition p = r->run.partitions[i];
        const struct log_partition *now = replay_find_in_log(r->options, log, &p);
        if (now != NULL && now->end > p.to) {
            p.from = p.next = p.to;
            p.to = now->end;
            r->run.partitions[count++] = p;
        }
    }
    return count;
}

/* What came since the plan went into the tables of before. */
static int catch_up(struct replay *r)
{
    struct log_bounds log;
    struct error err;
    if (!shared_read_log(r->options, &log, &err)) {
        return fail(r, &err);
    }
    size_t count = keep_what_came(r, &log);
    log_bounds_release(&log);
    if (count == 0) {
        struct replay_execution e = execution_of(r);
        return replay_report_run(&e);
    }
    r->run.partition_count = count;
    free(r->run.target_schema);
    free(r->run.live_schema);
    r->run.target_schema = NULL;
    r->run.live_schema = NULL;
    r->run.rate = 0;
    replay_plan_name(r->run.run, sizeof r->run.run);
    fprintf(stderr, "Catching up with what came since the plan was made:\n");
    return replay_runs_add(&r->connection, &r->run, &err) ? execute(r) : fail(r, &err);
}

static bool may_swap(const struct replay *r, struct error *err)
{
    return (r->run.target_schema != NULL && strcmp(r->run.state, "done") == 0) ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "%s: only a run with --target-schema that is done can be swapped",
                     r->run.run);
}

/* With --json stdout is the catching up's, or the run's own when nothing came. */
static int swap(struct replay *r)
{
    struct error err = { .text = "" };
    FILE *out = r->call->json ? stderr : stdout;
    if (strcmp(r->run.state, "swapped") == 0) {
        return catch_up(r); /* it may have ended in between */
    }
    if (!may_swap(r, &err) ||
        !replay_target_compare(&r->connection, &r->run, out, &err)) {
        return fail(r, &err);
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
        return fail(r, &err);
    }
    fprintf(out, "%s is now what %s was; the tables of before are in %s\n",
            r->run.live_schema, r->run.target_schema, r->run.kept_schema);
    fflush(out);
    return catch_up(r);
}

static int resume(struct replay *r)
{
    struct error err = { .text = "" };
    if (!replay_runs_read(&r->connection, r->flags->resume, &r->run, &err)) {
        return fail(r, &err);
    }
    if (r->flags->swap) {
        return swap(r);
    }
    if (strcmp(r->run.state, "done") == 0 || strcmp(r->run.state, "swapped") == 0) {
        struct replay_execution e = execution_of(r);
        return replay_report_run(&e);
    }
    return execute(r);
}

/* ---- the command ---- */

static bool check_flags(const struct replay_flags *f, struct error *err)
{
    bool selects = f->topic != NULL || f->partition != NULL || f->from_time != NULL ||
                   f->from_offset != NULL || f->from_earliest || f->until_time != NULL ||
                   f->until_offset != NULL || f->source != NULL || f->type != NULL ||
                   f->message_id != NULL || f->message_ids_from != NULL ||
                   f->target_schema != NULL || f->fresh_types || f->overwrite ||
                   f->rate != NULL;
    if (f->resume != NULL && selects) {
        return shared_refuse_usage(
            err,
            "--resume %s: what it reads was decided when it was planned; leave "
            "the other flags out",
            f->resume);
    }
    return !f->swap || f->resume != NULL ||
           shared_refuse_usage(err, "--swap: of which run? Name it with --resume RUN");
}

int command_replay(const struct command_call *call)
{
    struct replay r = { .call = call, .options = call->config, .flags = call->flags };
    struct error err = { .text = "" };
    int code = EXIT_FAILED;
    shared_configure_log(r.options);
    if (!check_flags(r.flags, &err) || !shutdown_start(&err) ||
        !shared_open_database(r.options, &r.connection, &err)) {
        code = fail(&r, &err);
    } else if (r.flags->list) {
        code = replay_report_list(&r.connection, call->json, &err) ? EXIT_DONE
                                                                   : fail(&r, &err);
    } else {
        code = r.flags->resume != NULL ? resume(&r) : plan_anew(&r);
    }
    connection_close(&r.connection);
    replay_run_release(&r.run);
    return code;
}

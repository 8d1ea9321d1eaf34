/* rejected_retry: the `rejected retry` command: loads rejected events again, by a replay
 * of exactly their places in the log (operations.md, section 5). */
#include "loader/commands/rejected.h"
#include "loader/commands/replay_execute.h"
#include "loader/commands/replay_plan.h"

#include "common/base/mem.h"
#include "common/service/shutdown.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct retry {
    const struct command_call *call;
    const struct loader_options *options;
    const struct rejected_flags *flags;
    struct connection connection;
    struct replay_plan plan;
    int64_t count;   /* rejected events that are meant */
    int64_t refused; /* of them: by ingest */
    int64_t gone;    /* of them: no longer in the log */
    int64_t placed;  /* of them: to be read */
};

/* ---- the plan ---- */

static struct replay_partition *partition_of(struct replay_run *run, struct view topic,
                                             int32_t partition)
{
    for (size_t i = 0; i < run->partition_count; i++) {
        struct replay_partition *p = &run->partitions[i];
        if (p->partition == partition && view_equal_cstr(topic, p->topic)) {
            return p;
        }
    }
    run->partitions =
        mem_resize(run->partitions, run->partition_count + 1, sizeof *run->partitions);
    struct replay_partition *added = &run->partitions[run->partition_count++];
    *added = (struct replay_partition){ .partition = partition, .from = INT64_MAX };
    snprintf(added->topic, sizeof added->topic, "%.*s", VIEW_ARG(topic));
    return added;
}

static void add_place(struct retry *t, const struct log_bounds *log, struct view topic,
                      int32_t partition, int64_t offset)
{
    struct replay_partition at = { .partition = partition };
    snprintf(at.topic, sizeof at.topic, "%.*s", VIEW_ARG(topic));
    const struct log_partition *now = replay_find_in_log(t->options, log, &at);
    if (now == NULL || offset < now->start || offset >= now->end) {
        t->gone++;
        return;
    }
    char place[TOPIC_NAME_BYTES + 40];
    int len =
        snprintf(place, sizeof place, "%s:%d:%" PRId64, at.topic, partition, offset);
    selection_add(&t->plan.selection, SELECTION_PLACE, view_of(place, (size_t)len));
    struct replay_partition *p = partition_of(&t->plan.run, topic, partition);
    p->from = offset < p->from ? offset : p->from;
    p->next = p->from;
    p->to = offset + 1 > p->to ? offset + 1 : p->to;
    t->placed++;
}

static void add_places(struct retry *t, const struct log_bounds *log,
                       const struct pg_result *r)
{
    t->count = connection_rows(r);
    for (int i = 0; i < connection_rows(r); i++) {
        struct view topic = connection_field(r, i, 0);
        enum event_type type;
        bool is_ours = topic_name_parse(t->options->topic_prefix, topic, &type);
        if (is_ours && type == EVENT_REJECTED) {
            t->refused++;
        } else if (!is_ours) {
            t->gone++;
        } else {
            add_place(t, log, topic, (int32_t)connection_field_i64(r, i, 1),
                      connection_field_i64(r, i, 2));
        }
    }
}

static void finish_plan(struct retry *t, const struct log_bounds *log)
{
    struct replay_run *run = &t->plan.run;
    struct buf text = { 0 };
    selection_seal(&t->plan.selection);
    selection_write(&t->plan.selection, &text);
    run->selection = mem_strdup(text.len == 0 ? "" : buf_cstr(&text));
    run->cluster_id = mem_strdup(log->cluster_id == NULL ? "" : log->cluster_id);
    run->is_retry = true;
    run->allows_partial = true; /* what is gone was left out here */
    snprintf(run->state, sizeof run->state, "planned");
    replay_plan_name(run->run, sizeof run->run);
    buf_release(&text);
}

static bool plan(struct retry *t, struct error *err)
{
    struct log_bounds log;
    struct pg_result *r = NULL;
    const struct rejected_question q = { .flags = t->flags,
                                         .columns =
                                             "topic, kafka_partition, kafka_offset",
                                         .tail =
                                             "AND topic IS NOT NULL ORDER BY 1, 2, 3" };
    if (!rejected_query(&t->connection, &q, &r, err)) {
        return false;
    }
    bool done = shared_read_log(t->options, &log, err);
    if (done) {
        add_places(t, &log, r);
        finish_plan(t, &log);
        log_bounds_release(&log);
    }
    connection_free(r);
    return done;
}

/* ---- telling ---- */

/* On stderr with --json: stdout is the document's. */
static void tell(const struct retry *t)
{
    FILE *out = t->call->json ? stderr : stdout;
    fprintf(out,
            "rejected events that match: %" PRId64 ", to be read again: %" PRId64 "\n",
            t->count, t->placed);
    if (t->refused > 0) {
        fprintf(out,
                "%" PRId64 " were refused by ingest, and would be again: they must be "
                "sent anew\n",
                t->refused);
    }
    if (t->gone > 0) {
        fprintf(out,
                "%" PRId64
                " are no longer in Kafka: what is left of them is their record "
                "(rejected show)\n",
                t->gone);
    }
    fflush(out);
}

static bool count_again(struct retry *t, int64_t *out, struct error *err)
{
    struct pg_result *r = NULL;
    if (t->connection.pg == NULL &&
        !connection_open(&t->connection, t->options->database_url, err)) {
        return false;
    }
    const struct rejected_question q = { .flags = t->flags,
                                         .columns = "count(*)",
                                         .tail = "AND topic IS NOT NULL" };
    if (!rejected_query(&t->connection, &q, &r, err)) {
        return false;
    }
    *out = connection_field_i64(r, 0, 0);
    connection_free(r);
    return true;
}

/* ---- the command ---- */

static int execute(struct retry *t)
{
    struct error err;
    int64_t left = 0;
    struct replay_execution e = { .call = t->call,
                                  .options = t->options,
                                  .connection = &t->connection,
                                  .run = &t->plan.run };
    int code = replay_execute(&e);
    if (!count_again(t, &left, &err)) {
        return shared_fail(t->call, &err);
    }
    fprintf(t->call->json ? stderr : stdout,
            "rejected before: %" PRId64 ", now: %" PRId64 "\n", t->count, left);
    return code;
}

static int retry(struct retry *t)
{
    struct error err = { .text = "" };
    if (!plan(t, &err)) {
        return shared_fail(t->call, &err);
    }
    tell(t);
    if (t->gone > 0 && t->flags->execute && !t->flags->allow_partial) {
        error_set(&err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                  "some are no longer in Kafka; --allow-partial tries the others");
        return shared_fail(t->call, &err);
    }
    if (!t->flags->execute || t->placed == 0) {
        fprintf(stderr, "Nothing was loaded.%s\n",
                t->placed == 0 ? "" : " To do it: --execute");
        return EXIT_DONE;
    }
    return replay_runs_add(&t->connection, &t->plan.run, &err)
               ? execute(t)
               : shared_fail(t->call, &err);
}

int command_rejected_retry(const struct command_call *call)
{
    struct retry t = { .call = call, .options = call->config, .flags = call->flags };
    struct error err = { .text = "" };
    shared_configure_log(t.options);
    bool is_ready =
        shutdown_start(&err) && shared_open_database(t.options, &t.connection, &err);
    int code = is_ready ? retry(&t) : shared_fail(call, &err);
    connection_close(&t.connection);
    replay_plan_release(&t.plan);
    return code;
}

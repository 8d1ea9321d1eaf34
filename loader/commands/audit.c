/* audit: the `audit` command: proves by message id that what is in the log has ended
 * where it should (operations.md, section 5). Reads the log of a range as a replay does,
 * maps each record as loading does, and looks its id up; nothing is written. */
#include "loader/commands/audit_report.h"
#include "loader/commands/parts.h"
#include "loader/commands/replay_plan.h"
#include "loader/consume/replay_stream.h"
#include "loader/load/audit_tally.h"
#include "loader/load/batch_load.h"
#include "loader/postgres/whereabouts.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_RECORDS 5000
#define BATCH_BYTES ((uint64_t)8 * 1024 * 1024)
#define POLL_MS 100

struct audit {
    const struct command_call *call;
    const struct loader_options *options;
    const struct audit_flags *flags;
    struct replay_plan plan;
    struct parts parts;
    struct stream *stream; /* the parts' */
    struct connection connection;
    struct whereabouts whereabouts;
    struct audit_report report;
    bool was_stopped;
};

/* ---- one batch ---- */

/* An event of the batch that must be somewhere. */
struct event {
    const struct log_record *record;
    struct view schema, table; /* it was for */
    struct view id, user;
    int64_t since_us;
    enum audit_fate fate;
    bool is_known; /* its fate */
};

static struct view schema_of(const struct log_record *r)
{
    return r->record.schema.len == 0 ? view_cstr(SINK_CONTROL_SCHEMA) : r->record.schema;
}

/* By what the mapping made of it. False: a copy of one that was looked at before. */
static bool begin_event(struct audit *a, const struct batch *b, size_t at,
                        struct event *out)
{
    const struct batch_entry *e = &b->entries[at];
    const struct log_record *r = &b->records[at];
    *out = (struct event){ .record = r,
                           .schema = schema_of(r),
                           .table = view_cstr(event_type_name(r->record.topic)),
                           .id = r->record.key };
    if (e->outcome == MAP_ROW) {
        const struct row *row = &b->tables[e->table].rows[e->at];
        out->id = row->message_id;
        out->user = row->user_id;
        out->since_us = row->since_us;
    } else if (e->outcome == MAP_REJECTED) {
        const struct sink_rejected *rejected = &b->rejected[e->at];
        out->schema = batch_load_rejected_schema(rejected);
        out->id = rejected->rejected.message_id;
        out->table = r->record.topic == EVENT_REJECTED ? view_cstr(SINK_REJECTED_TABLE)
                                                       : out->table;
    } else if (e->outcome == MAP_DELETION) {
        out->id = b->deletions[e->at].deletion.message_id;
        out->schema = view_cstr(SINK_CONTROL_SCHEMA);
        out->table = view_cstr("deletion");
    } else {
        out->is_known = true;
        out->fate = AUDIT_SUPPRESSED;
    }
    return audit_tally_meet(&a->report.tally, out->schema, out->table,
                            r->record.received_at_ms, out->id);
}

static bool is_together(const struct event *x, const struct event *y)
{
    return view_equal(x->table, y->table) && view_equal(x->schema, y->schema);
}

/* The events of a batch, and which of them are asked for together. */
struct events {
    struct event *list;
    size_t count;
    size_t *asked; /* of these */
    struct whereabouts_search search;
};

/* Asks for all that are like the one at `first` and not known yet, in this table. */
static bool find_together(struct audit *a, struct events *events, size_t first,
                          const char *table, struct error *err)
{
    struct view *ids = mem_calloc(events->count, sizeof *ids);
    struct whereabouts_search *s = &events->search;
    const struct event *like = &events->list[first];
    bool is_rejected = strcmp(table, SINK_REJECTED_TABLE) == 0;
    s->schema = like->schema;
    s->table = view_cstr(table);
    s->ids = ids;
    s->count = 0;
    for (size_t i = first; i < events->count; i++) {
        if (!events->list[i].is_known && is_together(&events->list[i], like)) {
            ids[s->count] = events->list[i].id;
            events->asked[s->count++] = i;
        }
    }
    bool done = whereabouts_find(&a->whereabouts, s, err);
    for (size_t i = 0; done && i < s->count; i++) {
        if (s->is_there[i]) {
            events->list[events->asked[i]].is_known = true;
            events->list[events->asked[i]].fate =
                is_rejected ? AUDIT_REJECTED : AUDIT_LOADED;
        }
    }
    free(ids);
    return done;
}

static bool is_first_of_table(const struct event *events, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (is_together(&events[i], &events[at])) {
            return false;
        }
    }
    return true;
}

static bool find_all(struct audit *a, struct events *events, struct error *err)
{
    bool done = true;
    for (size_t i = 0; done && i < events->count; i++) {
        char table[SINK_NAME_BYTES];
        snprintf(table, sizeof table, "%.*s", VIEW_ARG(events->list[i].table));
        bool is_rejected = strcmp(table, SINK_REJECTED_TABLE) == 0;
        done = !is_first_of_table(events->list, i) ||
               (find_together(a, events, i, table, err) &&
                (is_rejected || find_together(a, events, i, SINK_REJECTED_TABLE, err)));
    }
    return done;
}

/* What is in no table. */
static bool judge_absent(struct audit *a, struct event *e, struct error *err)
{
    const struct log_record *r = e->record;
    bool is_deleted = false;
    if (e->user.len > 0 && !whereabouts_is_deleted(&a->whereabouts, e->schema, e->user,
                                                   e->since_us, &is_deleted, err)) {
        return false;
    }
    e->fate = is_deleted ? AUDIT_SUPPRESSED
              : whereabouts_is_held(&a->whereabouts, r->topic, r->partition, r->offset,
                                    e->schema, e->table)
                  ? AUDIT_HELD
              : whereabouts_is_ahead(&a->whereabouts, r->topic, r->partition, r->offset)
                  ? AUDIT_NOT_YET
                  : AUDIT_MISSING;
    return true;
}

static void note(struct audit *a, const struct event *e)
{
    audit_tally_note(&a->report.tally, e->schema, e->table,
                     e->record->record.received_at_ms, e->fate);
    if (e->fate == AUDIT_MISSING) {
        audit_report_missing(&a->report, e->record, e->schema, e->table, e->id);
    }
}

static bool look_up(struct audit *a, const struct batch *b, struct error *err)
{
    struct events events = { .list = mem_calloc(b->record_count, sizeof *events.list),
                             .asked = mem_calloc(b->record_count, sizeof *events.asked) };
    events.search.is_there = mem_calloc(b->record_count, sizeof(bool));
    for (size_t i = 0; i < b->record_count; i++) {
        if (!b->records[i].is_skipped &&
            begin_event(a, b, i, &events.list[events.count])) {
            events.count++;
        }
    }
    bool done = find_all(a, &events, err);
    for (size_t i = 0; done && i < events.count; i++) {
        struct event *e = &events.list[i];
        done = e->is_known || judge_absent(a, e, err);
        if (done) {
            note(a, e);
        }
    }
    free(events.list);
    free(events.asked);
    free(events.search.is_there);
    return done;
}

/* ---- the log ---- */

static bool start(struct audit *a, struct error *err)
{
    const struct replay_run *run = &a->plan.run;
    struct stream_partition *list = mem_calloc(run->partition_count, sizeof *list);
    for (size_t i = 0; i < run->partition_count; i++) {
        list[i] = (struct stream_partition){ .topic = run->partitions[i].topic,
                                             .partition = run->partitions[i].partition,
                                             .offset = run->partitions[i].from };
    }
    bool done = a->stream->start(a->stream->context, list, run->partition_count, err);
    free(list);
    return done;
}

/* Takes what there is into the batch. False when the log cannot be read on. */
static bool poll(struct audit *a, const struct batch_context *context, struct batch *b,
                 struct error *err)
{
    struct stream_poll polled;
    switch (a->stream->poll(a->stream->context, POLL_MS, &polled, err)) {
    case STREAM_RECORD:
        batch_add(b, context, &polled.record, 0, 0);
        return true;
    case STREAM_ASSIGNED:
        return start(a, err);
    case STREAM_OUT_OF_RANGE:
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "retention has taken part of the range while it was read; ask "
                         "again");
    case STREAM_FAILED:
        return err->class != ERROR_FATAL;
    case STREAM_NOTHING:
    case STREAM_END:
    case STREAM_REVOKED:
    case STREAM_COMMIT_FAILED:
        break;
    }
    return true;
}

/* Everything that a batch holds is somewhere now: as far as that it was read. */
static void pass(struct audit *a, const struct batch *b)
{
    struct error ignored;
    for (size_t i = 0; i < b->interval_count; i++) {
        struct stream_partition at = { .topic = b->intervals[i].topic,
                                       .partition = b->intervals[i].partition,
                                       .offset = b->intervals[i].to };
        (void)a->stream->commit(a->stream->context, &at, 1, false, &ignored);
    }
}

static bool read_batch(struct audit *a, const struct batch_context *context,
                       struct batch *b, struct error *err)
{
    bool is_waiting = true;
    while (is_waiting && !shutdown_is_requested()) {
        size_t before = b->record_count;
        if (!poll(a, context, b, err)) {
            return false;
        }
        bool is_full = b->record_count >= BATCH_RECORDS || b->bytes >= BATCH_BYTES;
        bool is_dry = b->record_count == before && b->record_count > 0;
        is_waiting = !is_full && !is_dry && !replay_stream_is_done(a->stream);
    }
    return true;
}

static bool read_log(struct audit *a, struct error *err)
{
    struct replay_partition sum = replay_run_sum(&a->plan.run);
    struct batch_context context = parts_batch_context(&a->parts);
    struct log_release release = { a->stream->context, a->stream->release };
    struct progress p;
    bool done = true;
    int64_t read = 0;
    audit_tally_expect(&a->report.tally, (uint64_t)(sum.to - sum.from));
    progress_begin(&p, "audit_progress", "records", sum.to - sum.from);
    while (done && !shutdown_is_requested() && !replay_stream_is_done(a->stream)) {
        struct batch *b = batch_new();
        done = read_batch(a, &context, b, err) && look_up(a, b, err);
        read += (int64_t)b->record_count;
        pass(a, b);
        batch_free(b, &release);
        progress_update(&p, read,
                        (int64_t)audit_tally_sum(&a->report.tally, AUDIT_MISSING));
    }
    progress_end(&p);
    a->was_stopped = done && !replay_stream_is_done(a->stream);
    return done;
}

/* ---- the command ---- */

static bool plan(struct audit *a, struct error *err)
{
    const struct audit_flags *f = a->flags;
    struct replay_flags flags = { .topic = f->topic,
                                  .from_time = f->from_time,
                                  .from_earliest = f->from_time == NULL,
                                  .until_time = f->until_time,
                                  .source = f->source,
                                  .type = f->type };
    return replay_plan_make(a->options, &flags, &a->plan, err);
}

static bool open_all(struct audit *a, struct error *err)
{
    struct parts_setup setup = { .options = a->options, .only_reads = true };
    if (!parts_build(&a->parts, &setup, err)) {
        return false;
    }
    parts_read_ranges(&a->parts, &a->plan.run, &a->plan.selection);
    a->stream = &a->parts.stream;
    struct positions_key key = { .group = a->options->group,
                                 .cluster_id = a->plan.run.cluster_id };
    return (connection_open(&a->connection, a->options->database_url, err) ||
            error_prefix(err, "DATABASE_URL")) &&
           whereabouts_open(&a->whereabouts, &a->connection, &key, &a->plan.run, err);
}

static int conclude(struct audit *a)
{
    struct error err;
    if (!audit_report_print(&a->report, &a->plan, a->was_stopped, &err)) {
        return shared_fail(a->call, &err);
    }
    if (a->was_stopped) {
        fprintf(stderr, "Stopped before the end of the range.\n");
        return EXIT_WORK_LEFT;
    }
    return audit_tally_sum(&a->report.tally, AUDIT_MISSING) == 0 ? EXIT_DONE
                                                                 : EXIT_FAILED;
}

int command_audit(const struct command_call *call)
{
    struct audit a = { .call = call, .options = call->config, .flags = call->flags };
    struct error err = { .text = "" };
    shared_configure_log(a.options);
    if (!shutdown_start(&err) || !plan(&a, &err) ||
        !audit_report_open(&a.report, call, &err)) {
        replay_plan_release(&a.plan);
        return shared_fail(call, &err);
    }
    int code =
        open_all(&a, &err) && read_log(&a, &err) ? conclude(&a) : shared_fail(call, &err);
    whereabouts_close(&a.whereabouts);
    connection_close(&a.connection);
    parts_take_down(&a.parts);
    audit_report_close(&a.report);
    replay_plan_release(&a.plan);
    return code;
}

#include "loader/commands/replay_plan.h"

#include "loader/mapping/timestamp.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/parse.h"
#include "common/contract/event_type.h"
#include "common/contract/schema_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

/* What the flags say, before Kafka is asked. */
struct wish {
    bool topics[EVENT_TYPES];
    char **partitions; /* NULL-ended; empty: all */
    bool has_from_time, has_until_time;
    int64_t from_ms, until_ms;
    int64_t from_offset, until_offset; /* -1: not given */
};

/* ---- the flags ---- */

static bool parse_time(const char *flag, const char *text, int64_t *out_ms,
                       struct error *err)
{
    int64_t us = 0;
    if (!timestamp_parse(view_cstr(text), &us)) {
        return shared_refuse_usage(err,
                                   "--%s '%s': a time is wanted, such as 2026-11-01 or "
                                   "2026-11-01T10:00:00Z",
                                   flag, text);
    }
    *out_ms = us / 1000;
    return true;
}

static bool parse_offset(const char *flag, const char *text, int64_t *out,
                         struct error *err)
{
    struct error why;
    if (parse_i64(view_cstr(text), out, &why) && *out >= 0) {
        return true;
    }
    return shared_refuse_usage(err, "--%s '%s': an offset is a number from 0 on", flag,
                               text);
}

static bool read_from(const struct replay_flags *f, struct wish *w, struct error *err)
{
    int given = (f->from_time != NULL) + (f->from_offset != NULL) + f->from_earliest;
    if (given != 1) {
        return shared_refuse_usage(
            err, "from where? Use one of --from-time TIME, --from-offset OFFSET and "
                 "--from-earliest");
    }
    w->has_from_time = f->from_time != NULL;
    return f->from_time != NULL ? parse_time("from-time", f->from_time, &w->from_ms, err)
           : f->from_offset != NULL
               ? parse_offset("from-offset", f->from_offset, &w->from_offset, err)
               : true;
}

static bool read_until(const struct replay_flags *f, struct wish *w, struct error *err)
{
    int given = (f->until_time != NULL) + (f->until_offset != NULL) + f->until_now;
    if (given > 1) {
        return shared_refuse_usage(
            err, "until when? Use only one of --until-time, --until-offset and "
                 "--until-now (the default)");
    }
    w->has_until_time = f->until_time != NULL;
    return f->until_time != NULL
               ? parse_time("until-time", f->until_time, &w->until_ms, err)
           : f->until_offset != NULL
               ? parse_offset("until-offset", f->until_offset, &w->until_offset, err)
               : true;
}

/* "track", or "segment.track". */
static bool name_topic(const struct loader_options *o, const char *name,
                       enum event_type *out)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        if (strcmp(name, event_type_name((enum event_type)i)) == 0) {
            *out = (enum event_type)i;
            return true;
        }
    }
    return topic_name_parse(o->topic_prefix, view_cstr(name), out);
}

static bool read_names(const struct loader_options *o, const char *flag,
                       const char *names, struct wish *w, struct selection *types,
                       struct error *err)
{
    char **list = loader_options_list(names);
    bool done = true;
    for (size_t i = 0; done && list[i] != NULL; i++) {
        enum event_type type;
        done = name_topic(o, list[i], &type);
        if (!done) {
            shared_refuse_usage(
                err,
                "--%s '%s': one of identify, track, page, screen, group, alias, "
                "delete, rejected is wanted",
                flag, list[i]);
            continue;
        }
        w->topics[type] = true;
        if (types != NULL) {
            selection_add(types, SELECTION_TYPE, view_cstr(event_type_name(type)));
        }
    }
    loader_options_free_list(list);
    return done;
}

/* Without a word all that has rows. Requests for deletion are the live schema's. */
static bool read_topics(const struct loader_options *o, const struct replay_flags *f,
                        struct wish *w, struct selection *s, struct error *err)
{
    if (f->type != NULL && !read_names(o, "type", f->type, w, s, err)) {
        return false;
    }
    if (f->topic != NULL) {
        memset(w->topics, 0, sizeof w->topics);
        return read_names(o, "topic", f->topic, w, NULL, err);
    }
    for (int i = 0; f->type == NULL && i < EVENT_TYPES; i++) {
        w->topics[i] = i != EVENT_DELETE || f->target_schema == NULL;
    }
    return true;
}

static void add_list(const char *names, struct selection *s, enum selection_kind kind)
{
    char **list = loader_options_list(names);
    for (size_t i = 0; list[i] != NULL; i++) {
        selection_add(s, kind, view_cstr(list[i]));
    }
    loader_options_free_list(list);
}

/* One id a line. */
static bool read_ids(const char *path, struct selection *s, struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");
    char line[LINE_MAX_BYTES];
    if (file == NULL) {
        return shared_refuse_usage(
            err, "--message-ids-from '%s': the file cannot be read", path);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        struct view id = view_of(line, strcspn(line, "\r\n"));
        if (id.len > 0) {
            selection_add(s, SELECTION_MESSAGE_ID, id);
        }
    }
    if (!is_stdin) {
        fclose(file);
    }
    return s->sets[SELECTION_MESSAGE_ID].count > 0 ||
           shared_refuse_usage(err, "--message-ids-from '%s': there is no id in it",
                               path);
}

static bool read_selection(const struct replay_flags *f, struct selection *s,
                           struct error *err)
{
    add_list(f->source, s, SELECTION_SOURCE);
    add_list(f->message_id, s, SELECTION_MESSAGE_ID);
    return f->message_ids_from == NULL || read_ids(f->message_ids_from, s, err);
}

static bool read_rate(const char *text, uint64_t *out, struct error *err)
{
    struct error why;
    return text == NULL || parse_rate(view_cstr(text), out, &why) ||
           shared_refuse_usage(
               err, "--rate '%s': records a second are wanted, such as 2000/s", text);
}

static bool read_target(const struct replay_flags *f, struct replay_run *run,
                        struct error *err)
{
    if (f->target_schema == NULL) {
        return !f->fresh_types ||
               shared_refuse_usage(err, "--fresh-types is for --target-schema");
    }
    if (!schema_name_is_valid(view_cstr(f->target_schema))) {
        return shared_refuse_usage(
            err,
            "--target-schema '%s': a schema's name is lower-case letters, "
            "digits and '_', and begins with a letter",
            f->target_schema);
    }
    if (f->source == NULL || strchr(f->source, ',') != NULL) {
        return shared_refuse_usage(
            err, "--target-schema takes one source's events: say which, with "
                 "--source SCHEMA");
    }
    if (strcmp(f->source, f->target_schema) == 0) {
        return shared_refuse_usage(err, "--target-schema '%s' is the source's own schema",
                                   f->target_schema);
    }
    run->target_schema = mem_strdup(f->target_schema);
    return true;
}

static bool read_flags(const struct loader_options *o, const struct replay_flags *f,
                       struct wish *w, struct replay_plan *plan, struct error *err)
{
    w->from_offset = -1;
    w->until_offset = -1;
    w->partitions = loader_options_list(f->partition);
    plan->run.has_fresh_types = f->fresh_types;
    plan->run.is_overwriting = f->overwrite;
    plan->run.allows_partial = f->allow_partial;
    return read_from(f, w, err) && read_until(f, w, err) &&
           read_topics(o, f, w, &plan->selection, err) &&
           read_selection(f, &plan->selection, err) &&
           read_rate(f->rate, &plan->run.rate, err) && read_target(f, &plan->run, err);
}

/* ---- the log ---- */

static bool is_wished(const struct wish *w, const struct log_partition *p)
{
    char number[16];
    snprintf(number, sizeof number, "%d", p->partition);
    bool is_named = w->partitions[0] == NULL;
    for (size_t i = 0; !is_named && w->partitions[i] != NULL; i++) {
        is_named = strcmp(w->partitions[i], number) == 0;
    }
    return is_named && w->topics[p->topic];
}

static void note_taken(struct buf *taken, const char *topic,
                       const struct log_partition *p, int64_t from, bool is_by_time)
{
    if (is_by_time) {
        buf_printf(taken,
                   "%s:%d begins at %lld: what was before is gone, and may have been in "
                   "the range\n",
                   topic, p->partition, (long long)p->start);
    } else {
        buf_printf(taken, "%s:%d begins at %lld: %lld offsets from %lld on are gone\n",
                   topic, p->partition, (long long)p->start, (long long)(p->start - from),
                   (long long)from);
    }
}

static void add_partition(struct replay_plan *plan, const struct loader_options *o,
                          const struct log_partition *p, int64_t from, int64_t to)
{
    struct replay_run *run = &plan->run;
    run->partitions =
        mem_resize(run->partitions, run->partition_count + 1, sizeof *run->partitions);
    struct replay_partition *added = &run->partitions[run->partition_count++];
    *added = (struct replay_partition){
        .partition = p->partition, .from = from, .to = to, .next = from
    };
    topic_name_format(o->topic_prefix, p->topic, added->topic);
}

/* Whether a time's first offset is the log's start because nothing older was ever there
 * cannot be told once retention has begun. A partition of which nothing is read stands in
 * the plan too: what comes to it later comes after the plan. */
static void plan_partition(struct replay_plan *plan, const struct loader_options *o,
                           const struct wish *w, const struct log_partition *p,
                           int64_t from_of_time, int64_t until_of_time)
{
    char topic[TOPIC_NAME_BYTES];
    topic_name_format(o->topic_prefix, p->topic, topic);
    int64_t from = w->has_from_time      ? from_of_time
                   : w->from_offset >= 0 ? w->from_offset
                                         : p->start;
    int64_t to = w->has_until_time                                  ? until_of_time
                 : w->until_offset >= 0 && w->until_offset < p->end ? w->until_offset
                                                                    : p->end;
    bool is_cut = w->has_from_time && p->start > 0 && from == p->start && to > from;
    if (from < p->start || is_cut) {
        note_taken(&plan->taken, topic, p, from, is_cut);
        from = p->start;
    }
    add_partition(plan, o, p, from, from < to ? to : from);
}

static bool ask_time(const struct loader_options *o, const struct log_bounds *log,
                     bool is_wanted, int64_t time_ms, int64_t **out, struct error *err)
{
    struct log_bounds_setup setup = shared_log_setup(o);
    *out = mem_calloc(log->count + 1, sizeof **out);
    return !is_wanted || log_bounds_at(&setup, log, time_ms, *out, err);
}

static bool plan_log(const struct loader_options *o, const struct wish *w,
                     const struct log_bounds *log, struct replay_plan *plan,
                     struct error *err)
{
    int64_t *from = NULL;
    int64_t *until = NULL;
    bool done = ask_time(o, log, w->has_from_time, w->from_ms, &from, err) &&
                ask_time(o, log, w->has_until_time, w->until_ms, &until, err);
    for (size_t i = 0; done && i < log->count; i++) {
        if (is_wished(w, &log->partitions[i])) {
            plan_partition(plan, o, w, &log->partitions[i], from[i], until[i]);
        }
    }
    free(from);
    free(until);
    return done;
}

/* ---- the run ---- */

void replay_plan_name(char *out, size_t size)
{
    char stamp[CLOCK_STAMP_BYTES];
    clock_format_stamp(clock_real_ms(), stamp);
    unsigned mixed = (unsigned)clock_mono_us() ^ ((unsigned)getpid() << 8);
    snprintf(out, size, "%s-%04x", stamp, mixed & 0xffff);
}

static bool fill_run(const struct log_bounds *log, struct replay_plan *plan,
                     struct error *err)
{
    struct buf text = { 0 };
    if (log->cluster_id == NULL) {
        return error_set(err, ERROR_RETRY, ERROR_FROM_KAFKA, NULL,
                         "Kafka did not tell its cluster id");
    }
    selection_seal(&plan->selection);
    selection_write(&plan->selection, &text);
    plan->run.cluster_id = mem_strdup(log->cluster_id);
    plan->run.selection = mem_strdup(text.len == 0 ? "" : buf_cstr(&text));
    snprintf(plan->run.state, sizeof plan->run.state, "planned");
    replay_plan_name(plan->run.run, sizeof plan->run.run);
    buf_release(&text);
    return true;
}

bool replay_plan_make(const struct loader_options *o, const struct replay_flags *flags,
                      struct replay_plan *out, struct error *err)
{
    struct wish w = { .has_from_time = false };
    struct log_bounds log;
    *out = (struct replay_plan){ .run = { .rate = 0 } };
    bool done = read_flags(o, flags, &w, out, err) && shared_read_log(o, &log, err);
    if (done) {
        done = plan_log(o, &w, &log, out, err) && fill_run(&log, out, err);
        log_bounds_release(&log);
    }
    loader_options_free_list(w.partitions);
    if (!done) {
        replay_plan_release(out);
    }
    return done;
}

void replay_plan_release(struct replay_plan *plan)
{
    replay_run_release(&plan->run);
    selection_release(&plan->selection);
    buf_release(&plan->taken);
}

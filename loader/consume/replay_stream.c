#include "loader/consume/replay_stream.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Beside live loading a replay goes in bites: so many wanted records are read, loaded,
 * and then it rests so many times as long as that took. A large transaction is what the
 * live loaders wait for: with batches of 5,000 and half of the time their p99 at 2,000
 * events/s went from 32 to 123 ms, with 1,500 and a third from 59 to 152, so from 52 to
 * 53 (medians; tests/bench/bench_freshness.py replay). */
#define BITE_RECORDS 800
#define BITE_RESTS 3
/* A bite that took long because little of the log is wanted has not cost the database
 * more. */
#define REST_MAX_MS 1000

struct range {
    char topic[TOPIC_NAME_BYTES];
    int32_t partition;
    int64_t next;       /* to be read */
    int64_t handed_out; /* behind the last record that the consumer was given */
    int64_t loaded;     /* committed by the database */
    int64_t to;
    bool is_started;
};

struct replay_stream {
    struct stream under;
    struct range *ranges;
    size_t count;
    const struct selection *selection;
    const char *target_schema;
    bool allows_lost;
    uint64_t rate;
    bool is_assigned; /* it was told */
    struct stream_partition *partitions;
    /* Pacing. */
    bool yields;
    int64_t began_ms;
    uint64_t taken; /* wanted records since then */
    uint64_t bite;  /* wanted records since everything was loaded */
    int64_t bite_began_ms;
    int64_t rests_until_ms;
    bool has_fault;
    struct error fault;
};

static int64_t now_of(const struct replay_stream *s)
{
    return s->under.mono_ms(s->under.context);
}

static struct range *find(struct replay_stream *s, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->ranges[i].partition == partition &&
            strcmp(s->ranges[i].topic, topic) == 0) {
            return &s->ranges[i];
        }
    }
    return NULL;
}

/* The first one counts. */
#define set_fault(s, ...)                                                                \
    ((s)->has_fault = true,                                                              \
     (void)error_set(&(s)->fault, ERROR_INVALID, ERROR_FROM_SELF, NULL, __VA_ARGS__))

/* ---- positions ---- */

static bool is_read(const struct range *r)
{
    return r->next >= r->to;
}

/* Fetches what is started and not read to its end. */
static bool start_under(struct replay_stream *s, struct error *err)
{
    size_t count = 0;
    struct stream_partition *list = mem_calloc(s->count, sizeof *list);
    for (size_t i = 0; i < s->count; i++) {
        const struct range *r = &s->ranges[i];
        if (r->is_started && !is_read(r)) {
            list[count++] = (struct stream_partition){ .topic = r->topic,
                                                       .partition = r->partition,
                                                       .offset = r->next };
        }
    }
    bool done = s->under.start(s->under.context, list, count, err);
    free(list);
    return done;
}

static bool stream_start(void *context, const struct stream_partition *partitions,
                         size_t count, struct error *err)
{
    struct replay_stream *s = context;
    for (size_t i = 0; i < s->count; i++) {
        s->ranges[i].is_started = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct range *r = find(s, partitions[i].topic, partitions[i].partition);
        r->is_started = true;
        r->next = partitions[i].offset;
        r->loaded = partitions[i].offset;
        r->handed_out = partitions[i].offset;
    }
    s->bite = 0;
    return start_under(s, err);
}

static void check_bounds(struct replay_stream *s, const struct stream_partition *p,
                         const struct range *r)
{
    if (p->log_start > r->next && !s->allows_lost) {
        set_fault(s,
                  "%s:%d: retention has taken the offsets %lld to %lld, which were to be "
                  "read; --allow-partial goes on without them",
                  r->topic, r->partition, (long long)r->next,
                  (long long)(p->log_start < r->to ? p->log_start : r->to) - 1);
    } else if (p->log_end < r->to) {
        set_fault(
            s,
            "%s:%d: the log ends at %lld, but the plan says %lld: the topic was made "
            "anew since; plan again",
            r->topic, r->partition, (long long)p->log_end, (long long)r->to);
    }
}

/* Where the log starts matters only as far as there is something to read. */
static bool stream_positions(void *context, struct stream_partition *partitions,
                             size_t count, int timeout_ms, struct error *err)
{
    struct replay_stream *s = context;
    if (!s->under.positions(s->under.context, partitions, count, timeout_ms, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct stream_partition *p = &partitions[i];
        struct range *r = find(s, p->topic, p->partition);
        if (!is_read(r) && !s->has_fault) {
            check_bounds(s, p, r);
        }
        p->log_start = p->log_start < r->to ? p->log_start : r->to;
        p->log_end = r->to;
    }
    return true;
}

/* ---- pacing ---- */

static bool is_all_loaded(const struct replay_stream *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->ranges[i].loaded < s->ranges[i].handed_out) {
            return false;
        }
    }
    return true;
}

/* How long until the next record may be taken; a bite that is read waits for its commit,
 * which is heard between two polls. */
static int64_t wait_of(const struct replay_stream *s, int64_t now)
{
    int64_t wait = s->rests_until_ms - now;
    if (s->yields && s->bite >= BITE_RECORDS && !is_all_loaded(s)) {
        wait = wait > 1 ? wait : 1;
    }
    if (s->rate > 0) {
        int64_t due = s->began_ms + (int64_t)(s->taken * 1000 / s->rate);
        wait = due - now > wait ? due - now : wait;
    }
    return wait;
}

static void pause_for(int64_t ms)
{
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&pause, NULL);
}

/* A batch is loaded: what of it was passed over only is nothing to rest from. */
static void end_bite(struct replay_stream *s)
{
    if (s->bite == 0 || !is_all_loaded(s)) {
        return;
    }
    int64_t now = now_of(s);
    if (s->yields) {
        int64_t pause = BITE_RESTS * (now - s->bite_began_ms);
        s->rests_until_ms = now + (pause < REST_MAX_MS ? pause : REST_MAX_MS);
    }
    s->bite = 0;
}

/* ---- polling ---- */

static enum stream_event tell_assignment(struct replay_stream *s, struct stream_poll *out)
{
    for (size_t i = 0; i < s->count; i++) {
        s->partitions[i] =
            (struct stream_partition){ .topic = s->ranges[i].topic,
                                       .partition = s->ranges[i].partition };
    }
    s->is_assigned = true;
    s->began_ms = now_of(s);
    out->partitions = s->partitions;
    out->partition_count = s->count;
    return STREAM_ASSIGNED;
}

/* The last of its range: what lies behind it is not fetched any more. */
static void end_range(struct replay_stream *s, struct range *r)
{
    struct error err;
    r->next = r->to;
    if (!start_under(s, &err)) {
        set_fault(s, "reading on: %s", err.text);
    }
}

static void skip(const struct replay_stream *s, struct log_record *record)
{
    s->under.release(s->under.context, record->message);
    *record = (struct log_record){ .record = { .topic = record->record.topic },
                                   .topic = record->topic,
                                   .partition = record->partition,
                                   .offset = record->offset,
                                   .is_skipped = true };
}

static enum stream_event take(struct replay_stream *s, struct log_record *record)
{
    struct range *r = find(s, record->topic, record->partition);
    if (r == NULL || !r->is_started || record->offset >= r->to) {
        s->under.release(s->under.context, record->message);
        if (r != NULL && r->is_started && !is_read(r)) {
            end_range(s, r);
        }
        return STREAM_NOTHING;
    }
    record->topic = r->topic;
    if (selection_wants(s->selection, record)) {
        s->taken++;
        s->bite_began_ms = s->bite == 0 ? now_of(s) : s->bite_began_ms;
        s->bite++;
        if (s->target_schema != NULL && record->headers_are_valid) {
            record->record.schema = view_cstr(s->target_schema);
        }
    } else {
        skip(s, record);
    }
    r->next = record->offset + 1;
    r->handed_out = r->next;
    if (is_read(r)) {
        end_range(s, r);
    }
    return STREAM_RECORD;
}

static enum stream_event stream_poll(void *context, int timeout_ms,
                                     struct stream_poll *out, struct error *err)
{
    struct replay_stream *s = context;
    if (!s->is_assigned) {
        return tell_assignment(s, out);
    }
    int64_t wait = wait_of(s, now_of(s));
    if (wait > 0) {
        pause_for(wait < timeout_ms ? wait : timeout_ms);
        return STREAM_NOTHING;
    }
    enum stream_event event = s->under.poll(s->under.context, timeout_ms, out, err);
    if (event == STREAM_RECORD) {
        return take(s, &out->record);
    }
    if (event == STREAM_END) {
        struct range *r = find(s, out->partitions[0].topic, out->partitions[0].partition);
        if (r != NULL && r->is_started && out->partitions[0].offset >= r->to) {
            r->next = r->to; /* the last offsets hold no record */
        }
        return STREAM_NOTHING;
    }
    return event;
}

/* ---- the rest of the port ---- */

static bool stream_commit(void *context, const struct stream_partition *partitions,
                          size_t count, bool wait, struct error *err)
{
    struct replay_stream *s = context;
    (void)wait;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        struct range *r = find(s, partitions[i].topic, partitions[i].partition);
        r->loaded = partitions[i].offset;
    }
    end_bite(s);
    return true;
}

static int64_t stream_mono_ms(void *context)
{
    return now_of(context);
}

static void stream_pause(void *context)
{
    const struct replay_stream *s = context;
    s->under.pause(s->under.context);
}

static void stream_resume(void *context)
{
    const struct replay_stream *s = context;
    s->under.resume(s->under.context);
}

static int64_t stream_log_end(void *context, const char *topic, int32_t partition)
{
    const struct range *r = find(context, topic, partition);
    return r == NULL ? -1 : r->to;
}

static void stream_release(void *context, void *message)
{
    const struct replay_stream *s = context;
    if (message != NULL) { /* a skipped record's is gone */
        s->under.release(s->under.context, message);
    }
}

static const char *stream_cluster_id(void *context, int timeout_ms)
{
    const struct replay_stream *s = context;
    return s->under.cluster_id(s->under.context, timeout_ms);
}

static void stream_close(void *context)
{
    struct replay_stream *s = context;
    s->under.close(s->under.context);
    free(s->ranges);
    free(s->partitions);
    free(s);
}

void replay_stream_open(const struct replay_stream_setup *setup, struct stream *out)
{
    struct replay_stream *s = mem_calloc(1, sizeof *s);
    s->under = setup->under;
    s->count = setup->range_count;
    s->ranges = mem_calloc(s->count, sizeof *s->ranges);
    s->partitions = mem_calloc(s->count, sizeof *s->partitions);
    s->selection = setup->selection;
    s->target_schema = setup->target_schema;
    s->allows_lost = setup->allows_lost;
    s->rate = setup->rate;
    for (size_t i = 0; i < s->count; i++) {
        struct range *r = &s->ranges[i];
        memcpy(r->topic, setup->ranges[i].topic, sizeof r->topic);
        r->partition = setup->ranges[i].partition;
        r->next = setup->ranges[i].from;
        r->loaded = r->next;
        r->handed_out = r->next;
        r->to = setup->ranges[i].to;
    }
    *out = (struct stream){ .context = s,
                            .mono_ms = stream_mono_ms,
                            .poll = stream_poll,
                            .start = stream_start,
                            .pause = stream_pause,
                            .resume = stream_resume,
                            .positions = stream_positions,
                            .commit = stream_commit,
                            .log_end = stream_log_end,
                            .release = stream_release,
                            .cluster_id = stream_cluster_id,
                            .close = stream_close };
}

void replay_stream_set_yields(struct stream *stream, bool yields)
{
    struct replay_stream *s = stream->context;
    s->yields = yields;
}

/* The end of a range may hold no record: then less than all of it was handed out. */
bool replay_stream_is_done(const struct stream *stream)
{
    const struct replay_stream *s = stream->context;
    for (size_t i = 0; i < s->count; i++) {
        if (!is_read(&s->ranges[i])) {
            return false;
        }
    }
    return is_all_loaded(s);
}

const char *replay_stream_fault(const struct stream *stream)
{
    const struct replay_stream *s = stream->context;
    return s->has_fault ? s->fault.text : NULL;
}

#include "ingest/durable/spool_drain.h"

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <pthread.h>
#include <stdlib.h>

#define LOOK_MS 50 /* how soon new records, room and the end of a pause are noticed */
#define BURST 256u /* records of a topic before the next one has its turn */
#define FIRST_PAUSE_MS 100
#define MAX_PAUSE_MS 5000
#define STUCK_FAILURES 3       /* in a row: then what it holds may be written anew */
#define RECLAIM_PAUSE_MS 10000 /* after a segment could not be removed */

struct topic {
    struct spool_drain *drain;
    enum event_type type;
    struct spool_place base;   /* all before it is delivered; == cursor when none is
                                  under way */
    struct spool_place cursor; /* what is read next */
    struct spool_reader reader;
    struct spool_window window; /* under the lock */
    struct backoff backoff;
    unsigned failures; /* in a row */
    int64_t retry_at_mono_ms;
};

struct spool_drain {
    struct spool_log *log;
    struct spool_port port;
    pthread_t thread;
    int64_t reclaim_at_mono_ms;
    pthread_mutex_t lock; /* guards the windows and is_stopping */
    pthread_cond_t changed;
    bool is_stopping;
    struct topic topics[EVENT_TYPES];
};

/* ---- ends: on any thread ---- */

static void on_end(struct spool_ticket *ticket, bool is_durable)
{
    struct spool_flight *flight = (struct spool_flight *)(void *)ticket;
    struct topic *t = flight->owner;
    struct spool_drain *d = t->drain;
    pthread_mutex_lock(&d->lock);
    spool_window_end(&t->window, flight, is_durable);
    unsigned left = t->window.under_way;
    if (!is_durable || left == 0 || left == SPOOL_WINDOW_RECORDS / 2) {
        pthread_cond_signal(&d->changed);
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---- taking what has ended ---- */

static void pause_topic(struct topic *t)
{
    t->failures++;
    t->retry_at_mono_ms = clock_mono_ms() + (int64_t)backoff_next_ms(&t->backoff);
}

static void collect(struct topic *t)
{
    struct spool_drain *d = t->drain;
    pthread_mutex_lock(&d->lock);
    unsigned delivered = spool_window_advance(&t->window, &t->base);
    bool is_rewound = spool_window_rewind(&t->window);
    bool is_empty = t->window.count == 0;
    pthread_mutex_unlock(&d->lock);
    if (delivered > 0) {
        spool_log_delivered(d->log, delivered);
        backoff_reset(&t->backoff);
        t->failures = 0;
    }
    if (is_rewound) {
        t->cursor = t->base;
        pause_topic(t);
    } else if (is_empty) {
        t->base = t->cursor;
    }
}

/* ---- reading ---- */

/* The segment that the topic is to read, where it has something left for it. Segments
 * without records of the topic are passed by. */
static bool locate(struct topic *t, struct spool_segment *out)
{
    while (spool_log_find(t->drain->log, t->cursor.segment, out)) {
        if (out->number != t->cursor.segment) {
            t->cursor.segment = out->number;
            t->cursor.offset = SPOOL_SEGMENT_HEAD_BYTES;
        }
        if (!out->is_surveyed) {
            return false; /* soon */
        }
        bool is_over = t->cursor.offset >= out->bytes || out->tally.records[t->type] == 0;
        if (!is_over || !out->is_closed) {
            if (is_over) {
                t->cursor.offset = out->bytes;
            }
            return !is_over;
        }
        t->cursor.segment = out->number + 1;
        t->cursor.offset = SPOOL_SEGMENT_HEAD_BYTES;
    }
    return false;
}

/* Readers are closed as soon as they are through: an open one would keep a removed file's
 * bytes on disk. */
static void close_reader(struct topic *t)
{
    spool_reader_close(&t->reader);
}

/* What was readable when it was written or surveyed is not any more: the rest of the
 * segment is passed by, and its file set aside in the end. */
static void give_up_segment(struct topic *t, const struct spool_segment *s,
                            const struct error *err)
{
    log_failure(LOG_ERROR, "spool_unreadable", err);
    spool_log_damaged(t->drain->log, s->number);
    t->cursor.offset = s->bytes;
    close_reader(t);
}

static bool open_reader(struct topic *t, const struct spool_segment *s, struct error *err)
{
    if (t->reader.fd < 0 || t->reader.number != s->number) {
        close_reader(t);
        if (!spool_log_read(t->drain->log, s->number, &t->reader, err)) {
            return false;
        }
    }
    spool_reader_seek(&t->reader, t->cursor.offset);
    return true;
}

enum found { FOUND_RECORD, FOUND_END, FOUND_ERROR };

/* The topic's next record in this segment; the cursor moves behind it. */
static enum found read_record(struct topic *t, const struct spool_segment *s,
                              struct spool_record *out, uint64_t *out_bytes,
                              struct error *err)
{
    struct spool_step step = { .kind = SPOOL_STEP_MORE };
    struct view frame;
    enum event_type type;
    while (step.kind != SPOOL_STEP_END) {
        if (!spool_reader_next(&t->reader, s->bytes, &step, &frame, err)) {
            return FOUND_ERROR;
        }
        t->cursor.offset = t->reader.offset;
        bool is_frame = step.kind == SPOOL_STEP_FRAME;
        if (is_frame && spool_frame_topic(frame, &type) && type == t->type &&
            spool_frame_decode(frame, out)) {
            *out_bytes = frame.len;
            return FOUND_RECORD;
        }
        if (!is_frame && step.kind != SPOOL_STEP_END && !s->is_damaged) {
            spool_log_damaged(t->drain->log, s->number);
        }
    }
    return FOUND_END;
}

/* The topic's next record, wherever it is; views borrow from the reader. */
static bool next_record(struct topic *t, struct spool_record *out, uint64_t *out_bytes)
{
    struct spool_segment s;
    struct error err;
    while (locate(t, &s)) {
        enum found found = FOUND_ERROR;
        if (open_reader(t, &s, &err)) {
            found = read_record(t, &s, out, out_bytes, &err);
        }
        if (found == FOUND_RECORD) {
            return true;
        }
        if (found == FOUND_ERROR) {
            give_up_segment(t, &s, &err);
        } else {
            t->cursor.offset = s.bytes;
        }
    }
    close_reader(t);
    return false;
}

/* ---- sending ---- */

/* False: nothing to send, or not now. */
static bool send_one(struct topic *t)
{
    struct spool_drain *d = t->drain;
    struct spool_place before = t->cursor;
    struct spool_record record;
    uint64_t bytes = 0;
    if (!next_record(t, &record, &bytes)) {
        return false;
    }
    pthread_mutex_lock(&d->lock);
    struct spool_flight *flight = spool_window_add(&t->window, t->cursor, bytes);
    pthread_mutex_unlock(&d->lock);
    flight->ticket.on_end = on_end;
    flight->owner = t;
    if (d->port.send(d->port.context, &record, &flight->ticket)) {
        return true;
    }
    pthread_mutex_lock(&d->lock);
    spool_window_take_back(&t->window);
    pthread_mutex_unlock(&d->lock);
    t->cursor = before;
    return false;
}

static bool has_room(struct topic *t)
{
    pthread_mutex_lock(&t->drain->lock);
    bool is_there = !t->drain->is_stopping && spool_window_has_room(&t->window);
    pthread_mutex_unlock(&t->drain->lock);
    return is_there;
}

/* A burst of one topic; true when something was sent. */
static bool send_burst(struct topic *t)
{
    struct spool_drain *d = t->drain;
    struct spool_segment s;
    if (clock_mono_ms() < t->retry_at_mono_ms || !has_room(t) || !locate(t, &s)) {
        return false;
    }
    unsigned room = d->port.room(d->port.context);
    unsigned sent = 0;
    while (sent < BURST && sent < room && has_room(t) && send_one(t)) {
        sent++;
    }
    return sent > 0;
}

/* ---- giving back space ---- */

/* Is there a record of the topic in the segment that is not delivered? */
static bool holds(const struct topic *t, const struct spool_segment *s)
{
    bool is_behind = t->base.segment > s->number ||
                     (t->base.segment == s->number && t->base.offset >= s->bytes);
    return !is_behind && (!s->is_surveyed || s->tally.records[t->type] > 0);
}

static bool is_held(const struct spool_drain *d, const struct spool_segment *s)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        if (holds(&d->topics[i], s)) {
            return true;
        }
    }
    return false;
}

static void close_readers_of(struct spool_drain *d, uint64_t number)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        if (d->topics[i].reader.number == number) {
            close_reader(&d->topics[i]);
        }
    }
}

/* Is the segment worth writing anew: only topics that Kafka refuses hold it, and they
 * hold less than half of it? Fills what is to be kept. */
static bool is_worth_rewriting(struct spool_drain *d, const struct spool_segment *s,
                               struct spool_keep *keep)
{
    uint64_t kept = 0;
    if (!s->is_closed || !s->is_surveyed || s->is_damaged) {
        return false;
    }
    for (int i = 0; i < EVENT_TYPES; i++) {
        const struct topic *t = &d->topics[i];
        keep->from[i] = UINT64_MAX;
        if (holds(t, s)) {
            keep->from[i] = t->base.segment == s->number ? t->base.offset : 0;
            kept += s->tally.bytes[i];
            bool is_stuck = t->failures >= STUCK_FAILURES && t->window.count == 0;
            if (!is_stuck) {
                return false;
            }
        }
    }
    uint64_t most = spool_log_segment_bytes(d->log) / 2;
    return kept <= s->bytes / 2 && kept <= most;
}

static bool rewrite(struct spool_drain *d, const struct spool_segment *s,
                    const struct spool_keep *keep, struct error *err)
{
    close_readers_of(d, s->number);
    if (!spool_log_rewrite(d->log, s->number, keep, err)) {
        return false;
    }
    log_debug("spool_segment_rewritten", log_uint("segment", s->number),
              log_uint("bytes_before", s->bytes));
    for (int i = 0; i < EVENT_TYPES; i++) {
        struct topic *t = &d->topics[i];
        if (keep->from[i] != UINT64_MAX && t->base.segment == s->number) {
            t->base.offset = SPOOL_SEGMENT_HEAD_BYTES;
            t->cursor = t->base;
        }
    }
    return true;
}

/* Removes or shrinks a segment where that can be. False: it should be, and cannot. */
static bool reclaim_segment(struct spool_drain *d, const struct spool_segment *s,
                            struct error *err)
{
    struct spool_keep keep;
    if (!is_held(d, s)) {
        if (!spool_log_retire(d->log, s->number, s->bytes)) {
            return true; /* more is being written to it */
        }
        close_readers_of(d, s->number);
        return spool_log_remove(d->log, s->number, err);
    }
    return !is_worth_rewriting(d, s, &keep) || rewrite(d, s, &keep, err);
}

static void reclaim(struct spool_drain *d)
{
    struct spool_segment s;
    struct error err;
    uint64_t number = 0;
    if (clock_mono_ms() < d->reclaim_at_mono_ms) {
        return;
    }
    while (spool_log_find(d->log, number, &s)) {
        number = s.number + 1;
        if (!reclaim_segment(d, &s, &err)) {
            log_failure(LOG_ERROR, "spool_not_reclaimed", &err);
            d->reclaim_at_mono_ms = clock_mono_ms() + RECLAIM_PAUSE_MS;
            return;
        }
    }
}

/* ---- the thread ---- */

/* Waits for an end of a record, at most LOOK_MS. False: it is to stop. */
static bool wait_a_little(struct spool_drain *d, bool has_moved)
{
    struct timespec until = clock_timespec(clock_mono_ms() + LOOK_MS);
    pthread_mutex_lock(&d->lock);
    if (!has_moved && !d->is_stopping) {
        pthread_cond_timedwait(&d->changed, &d->lock, &until);
    }
    bool goes_on = !d->is_stopping;
    pthread_mutex_unlock(&d->lock);
    return goes_on;
}

static void *run(void *context)
{
    struct spool_drain *d = context;
    bool has_moved = true;
    while (wait_a_little(d, has_moved)) {
        has_moved = spool_log_survey(d->log);
        for (int i = 0; i < EVENT_TYPES; i++) {
            collect(&d->topics[i]);
            has_moved = send_burst(&d->topics[i]) || has_moved;
            collect(&d->topics[i]);
        }
        reclaim(d);
    }
    return NULL;
}

/* ---- life ---- */

static struct spool_drain *make(struct spool_log *log, const struct spool_port *port)
{
    struct spool_drain *d = mem_calloc(1, sizeof *d);
    d->log = log;
    d->port = *port;
    pthread_mutex_init(&d->lock, NULL);
    clock_cond_init(&d->changed);
    for (int i = 0; i < EVENT_TYPES; i++) {
        struct topic *t = &d->topics[i];
        t->drain = d;
        t->type = (enum event_type)i;
        t->reader = (struct spool_reader)SPOOL_READER_CLOSED;
        backoff_init(&t->backoff, FIRST_PAUSE_MS, MAX_PAUSE_MS, (uint64_t)i + 1);
    }
    return d;
}

bool spool_drain_start(struct spool_log *log, const struct spool_port *port,
                       struct spool_drain **out, struct error *err)
{
    struct spool_drain *d = make(log, port);
    int failed = pthread_create(&d->thread, NULL, run, d);
    if (failed != 0) {
        spool_drain_free(d);
        return error_set_errno(err, ERROR_FATAL, failed,
                               "starting the thread that drains the spool");
    }
    *out = d;
    return true;
}

void spool_drain_stop(struct spool_drain *d)
{
    if (d == NULL) {
        return;
    }
    pthread_mutex_lock(&d->lock);
    d->is_stopping = true;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
}

void spool_drain_free(struct spool_drain *d)
{
    if (d == NULL) {
        return;
    }
    for (int i = 0; i < EVENT_TYPES; i++) {
        REQUIRE(d->topics[i].window.under_way == 0);
        close_reader(&d->topics[i]);
    }
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

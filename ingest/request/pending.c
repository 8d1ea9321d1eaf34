#include "ingest/request/pending.h"

#include "ingest/http/late_answer.h"

#include "common/base/clock.h"

#include <stdatomic.h>

struct pending {
    struct delivery *delivery;
    const struct durable *durable; /* the process's */
    struct http_late *late;        /* NULL: the worker waits */
    struct worker *worker;         /* who waits, and only then */
    struct source_series *series;
    struct ingest_metrics *metrics;
    struct route route; /* of it only what an answer needs: no views */
    int64_t started_us;
};

/* ---- its end: on any thread ---- */

static void count_events(const struct pending *p, enum delivery_outcome outcome)
{
    uint32_t counts[EVENT_TYPES] = { 0 };
    const struct delivery *d = p->delivery;
    for (size_t i = 0; i < d->count; i++) {
        counts[d->records[i].topic]++;
    }
    for (int i = 0; i < EVENT_TYPES; i++) {
        if (counts[i] > 0) {
            enum event_outcome kind = outcome == DELIVERY_IN_KAFKA   ? EVENTS_IN_KAFKA
                                      : outcome == DELIVERY_IN_SPOOL ? EVENTS_IN_SPOOL
                                                                     : EVENTS_BUSY;
            ingest_metrics_events(p->metrics, p->series, (enum event_type)i, kind,
                                  counts[i]);
        }
    }
}

static void answer(const struct pending *p, bool is_durable)
{
    if (is_durable) {
        struct http_reply reply = reply_of_success(&p->route);
        http_late_answer(p->late, &reply);
    } else {
        /* The body was read whole, so the connection may go on: it is kept. */
        struct reply_setup setup = reply_not_durable();
        struct buf memory = { 0 };
        setup.must_close = false;
        struct http_reply reply = reply_of_failure(&p->route, &setup, &memory);
        http_late_answer(p->late, &reply);
        buf_release(&memory);
    }
}

static void wake_worker(struct worker *w, enum delivery_outcome outcome)
{
    pthread_mutex_lock(&w->lock);
    w->has_ended = true;
    w->outcome = (int)outcome;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
}

static void on_end(void *context, enum delivery_outcome outcome)
{
    const struct pending *p = context;
    bool is_durable = outcome == DELIVERY_IN_KAFKA || outcome == DELIVERY_IN_SPOOL;
    count_events(p, outcome);
    if (p->late == NULL) {
        wake_worker(p->worker, outcome);
        return;
    }
    ingest_metrics_request(p->metrics, p->series, is_durable ? 200 : 503,
                           clock_mono_us() - p->started_us);
    answer(p, is_durable); /* last: from then on the worker goes on without us */
}

/* ---- the late answer's owner ---- */

static void hold(void *context)
{
    struct pending *p = context;
    delivery_hold(p->delivery);
}

static void let_go(void *context)
{
    struct pending *p = context;
    delivery_let_go(p->delivery);
}

static int64_t on_deadline(void *context, int64_t now_mono_ms)
{
    struct pending *p = context;
    return p->durable->on_deadline(p->durable->context, p->delivery, now_mono_ms);
}

/* ---- the worker ---- */

struct delivery *pending_new(struct request *r, size_t records)
{
    struct delivery_setup setup = {
        .budget = r->setup->budget,
        .records = records,
        .context_bytes = sizeof(struct pending),
        .answer_by_mono_ms = r->body_ended_ms + (int64_t)r->setup->request_deadline_ms,
        .on_end = on_end,
    };
    struct delivery *d = delivery_new(&setup);
    struct pending *p = d->context;
    p->delivery = d;
    p->durable = &r->setup->durable;
    p->series = worker_series(r->worker, r->setup->metrics, r->source);
    p->metrics = r->setup->metrics;
    p->route.kind = r->route.kind;
    p->route.is_sdk = r->route.is_sdk;
    p->started_us = r->started_us;
    return d;
}

/* The ack time-out from now on, but never beyond the answer's deadline. */
static int64_t first_deadline(const struct request *r, const struct delivery *d)
{
    int64_t by_ack = clock_mono_ms() + r->setup->durable.ack_timeout_ms;
    int64_t by_answer = d->setup.answer_by_mono_ms;
    return by_ack < by_answer ? by_ack : by_answer;
}

/* What the budget has no room for is refused before anything is handed over. */
static void hand_over(struct request *r, struct delivery *d)
{
    const struct durable *durable = &r->setup->durable;
    if (delivery_charge(d)) {
        durable->take(durable->context, d);
    } else if (delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        delivery_end(d, DELIVERY_REFUSED);
    }
}

bool pending_wait(struct request *r, struct delivery *d)
{
    struct worker *w = r->worker;
    struct pending *p = d->context;
    int64_t deadline = first_deadline(r, d);
    p->worker = w;
    w->has_ended = false;
    delivery_hold(d); /* we ask it after its end */
    hand_over(r, d);
    pthread_mutex_lock(&w->lock);
    while (!w->has_ended) {
        struct timespec until = clock_timespec(deadline);
        if (deadline == INT64_MAX) { /* somebody is about to tell */
            pthread_cond_wait(&w->ended, &w->lock);
        } else if (pthread_cond_timedwait(&w->ended, &w->lock, &until) != 0) {
            pthread_mutex_unlock(&w->lock);
            deadline = on_deadline(p, clock_mono_ms());
            pthread_mutex_lock(&w->lock);
        }
    }
    enum delivery_outcome outcome = (enum delivery_outcome)w->outcome;
    pthread_mutex_unlock(&w->lock);
    delivery_let_go(d);
    return outcome == DELIVERY_IN_KAFKA || outcome == DELIVERY_IN_SPOOL;
}

void pending_answer(struct request *r, struct delivery *d)
{
    struct pending *p = d->context;
    struct http_late_owner owner = {
        .context = p, .hold = hold, .let_go = let_go, .on_deadline = on_deadline
    };
    p->late = http_answer_later(r->exchange, &owner, first_deadline(r, d));
    if (p->late != NULL) {
        r->status = 0;
        hand_over(r, d); /* from here on neither `d` nor `p` is ours */
    } else if (pending_wait(r, d)) {
        request_succeed(r);
    } else {
        request_not_durable(r);
    }
}

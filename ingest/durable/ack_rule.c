#include "ingest/durable/ack_rule.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stddef.h>
#include <stdlib.h>

/* For refusing early, before a body's size is known: a usual batch. */
#define LIKELY_BYTES ((uint64_t)512 << 10)

struct ack_rule {
    struct ack_rule_setup setup;
    struct circuit circuit;
};

/* ---- steps 2 and 3 ---- */

/* Unless somebody else was first. */
static void end_from(struct delivery *d, enum delivery_state from,
                     enum delivery_outcome outcome)
{
    if (delivery_claim(d, from, DELIVERY_ENDED)) {
        delivery_end(d, outcome);
    }
}

/* On the spool's thread. */
static void on_spooled(struct spool_entry *entry, bool is_durable)
{
    struct delivery *d =
        (struct delivery *)(void *)((char *)entry - offsetof(struct delivery, entry));
    end_from(d, DELIVERY_SPOOLING, is_durable ? DELIVERY_IN_SPOOL : DELIVERY_REFUSED);
    delivery_let_go(d);
}

static bool encode(struct ack_rule *a, struct delivery *d, size_t index)
{
    char scratch[RECORD_FACTS_BYTES];
    struct error err;
    const struct delivery_record *record = &d->records[index];
    struct spool_record r = { .topic = (enum event_type)record->topic,
                              .key = record->key,
                              .value = record->value };
    r.header_count = delivery_headers(d, index, scratch, r.headers);
    return spool_frame_encode(&r, spool_salt(a->setup.spool), &d->frames, &err);
}

/* The frames of what is not durable yet, charged to the budget. */
static bool encode_rest(struct ack_rule *a, struct delivery *d)
{
    for (size_t i = 0; i < d->count; i++) {
        if (!atomic_load(&d->records[i].is_durable) && !encode(a, d, i)) {
            return false;
        }
    }
    bool has_room = budget_take(d->setup.budget, d->frames.len);
    d->charged += has_room ? d->frames.len : 0;
    return has_room;
}

/* The rest of a delivery that was claimed for the spool. */
static void spool_rest(struct ack_rule *a, struct delivery *d)
{
    delivery_hold(d); /* the spool's */
    d->entry.on_end = on_spooled;
    bool is_encoded = encode_rest(a, d);
    d->entry.frames = buf_view(&d->frames);
    if (is_encoded && d->frames.len == 0) {
        end_from(d, DELIVERY_SPOOLING,
                 DELIVERY_IN_KAFKA); /* the reports came meanwhile */
        delivery_let_go(d);
    } else if (!is_encoded || !spool_append(a->setup.spool, &d->entry)) {
        end_from(d, DELIVERY_SPOOLING, DELIVERY_REFUSED);
        delivery_let_go(d);
    }
}

/* Kafka has not made all of it durable. */
static void end_without_kafka(struct ack_rule *a, struct delivery *d)
{
    if (a->setup.spool == NULL) {
        end_from(d, DELIVERY_OPEN, DELIVERY_REFUSED);
    } else if (delivery_claim(d, DELIVERY_OPEN, DELIVERY_SPOOLING)) {
        spool_rest(a, d);
    }
}

/* ---- step 1 ---- */

static void told_in_time(struct ack_rule *a, const struct delivery *d)
{
    int64_t now = clock_mono_ms();
    circuit_succeeded(&a->circuit, now);
    if (a->setup.on_delivered != NULL) {
        a->setup.on_delivered(a->setup.context, now - d->handed_over_mono_ms);
    }
}

/* All records were handed over and have ended, one way or another. Its deadline may have
 * been first. */
static void on_settled(struct delivery *d)
{
    struct ack_rule *a = d->taker;
    if (!delivery_is_durable(d)) {
        end_without_kafka(a, d);
    } else if (delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        told_in_time(a, d);
        delivery_end(d, DELIVERY_IN_KAFKA);
    }
}

static void take(void *context, struct delivery *d)
{
    struct ack_rule *a = context;
    d->taker = a;
    d->on_settled = on_settled;
    d->handed_over_mono_ms = clock_mono_ms();
    delivery_hold(d); /* it may end while it is still being handed over */
    if (circuit_admits(&a->circuit, d->handed_over_mono_ms)) {
        kafka_publisher_send_all(a->setup.publisher, d);
        delivery_seal(d);
    } else {
        end_without_kafka(a, d);
    }
    delivery_let_go(d);
}

static bool would_take(void *context)
{
    const struct ack_rule *a = context;
    return circuit_would_admit(&a->circuit, clock_mono_ms()) ||
           (a->setup.spool != NULL && spool_has_room(a->setup.spool, LIKELY_BYTES));
}

/* A request so large that its own time ran out before the ack time-out tells nothing of
 * Kafka. */
static void told_late(struct ack_rule *a, const struct delivery *d, int64_t now_mono_ms)
{
    if (now_mono_ms - d->handed_over_mono_ms >= (int64_t)a->setup.ack_timeout_ms) {
        circuit_timed_out(&a->circuit, d->handed_over_mono_ms);
        kafka_publisher_ack_timed_out(a->setup.publisher, circuit_is_open(&a->circuit));
    }
}

/* First Kafka's time is over, then the request's own: whatever then still writes, its
 * sender is told to come again. */
static int64_t on_deadline(void *context, struct delivery *d, int64_t now_mono_ms)
{
    struct ack_rule *a = context;
    int64_t answer_by = d->setup.answer_by_mono_ms;
    bool is_over = now_mono_ms >= answer_by || a->setup.spool == NULL;
    enum delivery_state next = is_over ? DELIVERY_ENDED : DELIVERY_SPOOLING;
    if (delivery_claim(d, DELIVERY_OPEN, next)) {
        told_late(a, d, now_mono_ms);
        if (is_over) {
            delivery_end(d, DELIVERY_LATE);
        } else {
            spool_rest(a, d);
        }
    } else if (is_over) {
        end_from(d, DELIVERY_SPOOLING, DELIVERY_LATE);
    }
    return atomic_load(&d->state) == DELIVERY_ENDED ? INT64_MAX : answer_by;
}

/* ---- life ---- */

struct ack_rule *ack_rule_new(const struct ack_rule_setup *setup)
{
    struct ack_rule *a = mem_calloc(1, sizeof *a);
    a->setup = *setup;
    return a;
}

void ack_rule_free(struct ack_rule *a)
{
    free(a);
}

struct durable ack_rule_port(struct ack_rule *a)
{
    return (struct durable){ .context = a,
                             .would_take = would_take,
                             .take = take,
                             .ack_timeout_ms = (int64_t)a->setup.ack_timeout_ms,
                             .on_deadline = on_deadline };
}

struct circuit *ack_rule_circuit(struct ack_rule *a)
{
    return &a->circuit;
}

#include "ingest/durable/ack_rule.h"

#include "ingest/durable/circuit.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>

struct ack_rule {
    struct ack_rule_setup setup;
    struct circuit circuit;
};

/* ---- steps 2 and 3 ---- */

/* What is not durable in Kafka has nowhere else to go. The delivery is claimed. */
static void end_without_kafka(struct ack_rule *a, struct delivery *d,
                              enum delivery_outcome outcome)
{
    (void)a;
    delivery_end(d, outcome);
}

/* ---- step 1 ---- */

/* All records were handed over and have ended, one way or another. */
static void on_settled(struct delivery *d)
{
    struct ack_rule *a = d->taker;
    if (!delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        return; /* its deadline was first */
    }
    if (delivery_is_durable(d)) {
        circuit_succeeded(&a->circuit);
        if (a->setup.on_delivered != NULL) {
            a->setup.on_delivered(a->setup.context,
                                  clock_mono_ms() - d->handed_over_mono_ms);
        }
        delivery_end(d, DELIVERY_IN_KAFKA);
    } else {
        end_without_kafka(a, d, DELIVERY_REFUSED);
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
    } else if (delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        end_without_kafka(a, d, DELIVERY_REFUSED);
    }
    delivery_let_go(d);
}

static bool would_take(void *context)
{
    const struct ack_rule *a = context;
    return circuit_would_admit(&a->circuit, clock_mono_ms());
}

/* A request so large that its own time ran out before the ack time-out tells nothing of
 * Kafka. */
static int64_t on_deadline(void *context, struct delivery *d, int64_t now_mono_ms)
{
    struct ack_rule *a = context;
    if (!delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        return INT64_MAX;
    }
    if (now_mono_ms - d->handed_over_mono_ms >= (int64_t)a->setup.ack_timeout_ms) {
        circuit_timed_out(&a->circuit);
        kafka_publisher_ack_timed_out(a->setup.publisher, circuit_is_open(&a->circuit));
    }
    end_without_kafka(a, d, DELIVERY_LATE);
    return INT64_MAX;
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

bool ack_rule_circuit_is_open(const struct ack_rule *a)
{
    return circuit_is_open(&a->circuit);
}

/* ack_rule: the durable port (architecture.md, section 3): when may a sender be told 200?
 *
 * 1. The records are handed to Kafka; all acknowledged within the ack time-out: durable.
 * 2. Not all in time, Kafka's client has no room, or the circuit is open: the rest goes
 * to the spool, durable with its group commit. An event that reached both is a copy,
 * which the primary key absorbs.
 * 3. No spool, or no room in it: refused, and the sender comes again.
 * The circuit opens after three ack time-outs in a row; while it is open one request a
 * second is still tried on Kafka; one success closes it.
 *
 * Steers; holds nothing but the circuit. Who ends a delivery: the publisher's thread
 * (reports), the spool's (commits), the caller of on_deadline, or, when it is refused at
 * once, the thread that brought it.
 */
#ifndef INGEST_DURABLE_ACK_RULE_H
#define INGEST_DURABLE_ACK_RULE_H

#include "ingest/durable/circuit.h"
#include "ingest/durable/durable.h"
#include "ingest/durable/kafka_publisher.h"
#include "ingest/durable/spool.h"

struct ack_rule;

struct ack_rule_setup {
    struct kafka_publisher *publisher;
    struct spool *spool; /* NULL: none */
    uint64_t ack_timeout_ms;
    /* For metrics: what Kafka took to acknowledge all records of a request. */
    void (*on_delivered)(void *context, int64_t took_ms);
    void *context;
};

/* Copies the setup; publisher and spool must outlive its last delivery. */
struct ack_rule *ack_rule_new(const struct ack_rule_setup *setup);

/* No delivery may be under way. NULL is allowed. */
void ack_rule_free(struct ack_rule *a);

/* The port; valid until it is freed. */
struct durable ack_rule_port(struct ack_rule *a);

/* Shared with the drain of the spool; for metrics. */
struct circuit *ack_rule_circuit(struct ack_rule *a);

#endif

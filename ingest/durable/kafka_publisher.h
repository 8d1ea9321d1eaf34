/* kafka_publisher: the durable port over librdkafka's producer: durable is what Kafka has
 * acknowledged with acks=all.
 *
 * One producer and one thread that takes its reports. A record's bytes are charged to the
 * budget until its report. The circuit (architecture.md, section 3): after three ack
 * time-outs in a row requests are refused at once, but for one a second; one success
 * closes it.
 *
 * A broker that refuses one record refuses its whole batch, so a refused record is first
 * sent again in a batch of its own; when that is refused too, it goes to
 * <prefix>.rejected with its reason, and counts as durable when it is there. A fatal
 * state of the client (idempotence lost) makes a new one; what was under way is reported
 * as not durable, and its sender sends again.
 */
#ifndef INGEST_DURABLE_KAFKA_PUBLISHER_H
#define INGEST_DURABLE_KAFKA_PUBLISHER_H

#include "ingest/durable/durable.h"
#include "ingest/request/ingest_metrics.h"

#include "common/base/budget.h"

struct kafka_publisher;

struct kafka_publisher_setup {
    const char *brokers;
    const char *config_file; /* NULL: none */
    const char *topic_prefix;
    struct budget *budget;
    struct ingest_metrics *metrics;
};

/* Starts the producer; succeeds with Kafka away. INVALID: the configuration file is
 * refused. */
MUST_CHECK bool kafka_publisher_open(const struct kafka_publisher_setup *setup,
                                     struct kafka_publisher **out, struct error *err);

/* The port; valid until close. */
struct durable kafka_publisher_port(struct kafka_publisher *p);

/* Records queued or under way. Any thread. */
unsigned kafka_publisher_queued(struct kafka_publisher *p);

/* Waits up to `timeout_ms` for what is under way (not while Kafka is away), then frees.
 * False when something was left: nothing of it was acknowledged. NULL is allowed. */
bool kafka_publisher_close(struct kafka_publisher *p, int timeout_ms);

#endif

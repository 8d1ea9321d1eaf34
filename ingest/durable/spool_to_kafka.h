/* spool_to_kafka: the drain's port over Kafka's publisher: what the spool holds is sent
 * as any other record, and yields to live traffic.
 *
 * While Kafka is away nothing is sent; while the circuit is open the drain may take its
 * one try a second, so that an outage ends also when no request comes. A record that
 * Kafka acknowledges closes the circuit. Any thread.
 */
#ifndef INGEST_DURABLE_SPOOL_TO_KAFKA_H
#define INGEST_DURABLE_SPOOL_TO_KAFKA_H

#include "ingest/durable/circuit.h"
#include "ingest/durable/kafka_publisher.h"
#include "ingest/durable/spool_drain.h"

/* Owned by who starts the drain; both must outlive the publisher's last ticket. */
struct spool_to_kafka {
    struct kafka_publisher *publisher;
    struct circuit *circuit;
};

/* The port; borrows `k`. */
struct spool_port spool_to_kafka_port(struct spool_to_kafka *k);

#endif

/* kafka_publisher: records to Kafka, durable with acks=all, whatever happens to the
 * client.
 *
 * One producer and one thread that takes its reports and ends the tickets. A broker that
 * refuses one record refuses its whole batch, so a refused record is first sent again in
 * a batch of its own; when that is refused too, it goes to <prefix>.rejected with its
 * reason, and counts as durable when it is there. A fatal state of the client
 * (idempotence lost) makes a new one, from the configuration that was read at the start;
 * what was under way is reported as not durable. One log line at the start of an outage,
 * one at its end.
 */
#ifndef INGEST_DURABLE_KAFKA_PUBLISHER_H
#define INGEST_DURABLE_KAFKA_PUBLISHER_H

#include "ingest/durable/delivery.h"

#include "common/base/error.h"

struct kafka_publisher;

struct kafka_publisher_setup {
    const char *brokers;
    const char *config_file; /* NULL: none */
    const char *topic_prefix;
    uint64_t
        max_event_bytes; /* value and headers; the client takes what is larger, too */
    /* For metrics: Kafka failed, by librdkafka's name of the error. Any thread. */
    void (*on_failure)(void *context, const char *error_name);
    void *context;
};

/* Starts the producer; succeeds with Kafka away. INVALID: the configuration file is
 * refused. */
MUST_CHECK bool kafka_publisher_open(const struct kafka_publisher_setup *setup,
                                     struct kafka_publisher **out, struct error *err);

/* Hands all records of a delivery on, each started before (delivery_start); what the
 * client has no room for is not, and stays not durable. Never blocks. */
void kafka_publisher_send_all(struct kafka_publisher *p, struct delivery *d);

/* Hands one record on; its headers are copied, its value is borrowed until the ticket's
 * end. False: it was not, and the ticket will not end. Never blocks. */
bool kafka_publisher_send(struct kafka_publisher *p, const struct record *r,
                          const struct record_header *headers, size_t header_count,
                          struct kafka_ticket *ticket);

/* Acknowledgements did not come in time; the first of them is no outage yet. */
void kafka_publisher_ack_timed_out(struct kafka_publisher *p, bool is_outage);

/* True during an outage: what is handed on now will wait. Any thread. */
bool kafka_publisher_is_away(const struct kafka_publisher *p);

/* Records queued or under way. Any thread. */
unsigned kafka_publisher_queued(struct kafka_publisher *p);

/* Waits up to `timeout_ms` for what is under way (not while Kafka is away); then ends all
 * tickets, and frees. False when something was left: it did not become durable. NULL is
 * allowed. */
bool kafka_publisher_close(struct kafka_publisher *p, int timeout_ms);

#endif

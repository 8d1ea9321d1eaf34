/* kafka_producer: one client of librdkafka's for producing, with our topics opened.
 *
 * A thin wrapper: it knows the record's topics and the library's rules, nothing of
 * requests, budgets or outages. Two kinds: the usual one fills batches; a `solo` one
 * sends each record in a batch of its own, because a broker that refuses one record
 * refuses all that share its batch (measured: 35 reports for one record too large).
 * Sending is safe from any thread; reports and errors come on the thread that polls,
 * flushes or closes. librdkafka's types are declared by tag, so that its header stays
 * out of ours.
 */
#ifndef INGEST_DURABLE_KAFKA_PRODUCER_H
#define INGEST_DURABLE_KAFKA_PRODUCER_H

#include "ingest/durable/kafka_ticket.h"

#include "common/base/error.h"
#include "common/base/view.h"
#include "common/contract/event_type.h"
#include "common/contract/record.h"

struct kafka_producer;
struct rd_kafka_conf_s;
struct rd_kafka_message_s;
struct rd_kafka_headers_s;

struct kafka_producer_setup {
    /* Of the clients to come: read once, so that a file that changed on disk meanwhile,
     * or is half written, cannot keep the next one from being made. Borrowed, copied for
     * each client. */
    const struct rd_kafka_conf_s *conf;
    const char *config_file; /* read again when a broker refuses the log-in; or NULL */
    const char *topic_prefix;
    bool is_solo;
    void *context; /* of the callbacks */
    /* What became of a record; `_private` is its ticket. */
    void (*on_report)(void *context, bool is_solo,
                      const struct rd_kafka_message_s *message);
    /* The client as a whole: a librdkafka code and its text. */
    void (*on_error)(void *context, bool is_solo, int code, const char *reason);
};

/* A record on its way to the client. */
struct kafka_outgoing {
    enum event_type topic;
    struct view key;   /* copied */
    struct view value; /* borrowed until the ticket's end */
    struct rd_kafka_headers_s *headers;
    struct kafka_ticket *ticket; /* comes back with the report */
};

/* Starts the client; succeeds with Kafka away. The texts of `setup` are borrowed until
 * close. INVALID: librdkafka refuses the configuration, such as certificates that are not
 * there. */
MUST_CHECK bool kafka_producer_open(const struct kafka_producer_setup *setup,
                                    struct kafka_producer **out, struct error *err);

/* Queues the record, takes the headers (also on failure); never blocks. Returns a
 * librdkafka code, 0 when it is queued: then, and only then, a report follows. */
int kafka_producer_send(struct kafka_producer *p, const struct kafka_outgoing *record);

/* Headers for one kafka_producer_send. */
struct rd_kafka_headers_s *kafka_producer_headers(const struct record_header *headers,
                                                  size_t count);

/* The topic of a report, of whichever client. */
enum event_type kafka_producer_topic(const struct rd_kafka_message_s *message);

/* Waits up to `timeout_ms` for reports and errors, and calls their callbacks. */
void kafka_producer_poll(struct kafka_producer *p, int timeout_ms);

/* Records queued or under way. Any thread. */
unsigned kafka_producer_queued(const struct kafka_producer *p);

/* True when a broker answers within `timeout_ms`. */
bool kafka_producer_reaches_kafka(struct kafka_producer *p, int timeout_ms);

/* Sends what is queued; false when something was left at the time-out. */
bool kafka_producer_flush(struct kafka_producer *p, int timeout_ms);

/* What is left gets its report (not acknowledged), then the client is freed. NULL is
 * allowed. */
void kafka_producer_close(struct kafka_producer *p);

#endif

#include "ingest/durable/spool_to_kafka.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>

/* Records in Kafka's client, live ones and drained: beyond it the drain waits. What it
 * adds to a live record's wait is the time for so many: milliseconds. */
#define QUEUE_RECORDS 1000u

/* A record under way: Kafka's client borrows the value until the ticket's end, the drain
 * gives it only for the call. */
struct drained {
    struct kafka_ticket ticket; /* first: its address is ours */
    struct spool_to_kafka *to;
    struct spool_ticket *from;
    char value[];
};

static unsigned room(void *context)
{
    struct spool_to_kafka *k = context;
    unsigned queued = kafka_publisher_queued(k->publisher);
    if (kafka_publisher_is_away(k->publisher)) {
        return 0;
    }
    if (circuit_is_open(k->circuit)) {
        return circuit_admits(k->circuit, clock_mono_ms()) ? 1 : 0;
    }
    return queued < QUEUE_RECORDS ? QUEUE_RECORDS - queued : 0;
}

static void on_end(struct kafka_ticket *ticket, bool is_durable)
{
    struct drained *d = (struct drained *)(void *)ticket;
    struct spool_ticket *from = d->from;
    if (is_durable) {
        circuit_succeeded(d->to->circuit, clock_mono_ms());
    }
    free(d);
    from->on_end(from, is_durable);
}

static bool send(void *context, const struct spool_record *record,
                 struct spool_ticket *ticket)
{
    struct spool_to_kafka *k = context;
    struct drained *d = mem_alloc(sizeof *d + record->value.len);
    d->ticket.on_end = on_end;
    d->to = k;
    d->from = ticket;
    if (record->value.len > 0) {
        memcpy(d->value, record->value.data, record->value.len);
    }
    struct record r = { .topic = record->topic,
                        .key = record->key,
                        .value = view_of(d->value, record->value.len) };
    bool is_sent = kafka_publisher_send(k->publisher, &r, record->headers,
                                        record->header_count, &d->ticket);
    if (!is_sent) {
        free(d);
    }
    return is_sent;
}

struct spool_port spool_to_kafka_port(struct spool_to_kafka *k)
{
    return (struct spool_port){ .context = k, .room = room, .send = send };
}

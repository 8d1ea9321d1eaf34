/* durable: the port of the accept step: where records are handed to be kept.
 *
 * accept.c knows only this. Today the one implementation is Kafka (kafka_publisher.c):
 * the ack rule's steps 1 and 3; the spool (step 2) will be another behind the same port,
 * in front of Kafka's. `put` never blocks. A record that can never be stored as it is
 * (too large for the topic, refused) is moved to <prefix>.rejected by the implementation,
 * which counts as durable; its delivery report ends only then.
 */
#ifndef INGEST_DURABLE_DURABLE_H
#define INGEST_DURABLE_DURABLE_H

#include "ingest/durable/delivery.h"

#include "common/base/error.h"
#include "common/contract/record.h"

struct durable {
    void *context;
    /* Would a request be admitted now? Takes nothing: for refusing a request before its
     * body is read. */
    bool (*would_admit)(void *context);
    /* May a request be tried now? BUSY while the circuit is open, but for one request a
     * second. Called once per request, right before its first put: a request that has
     * nothing to store must not use up the one try. */
    bool (*admit)(void *context, struct error *err);
    /* Copies the record and hands it on; its end is told to `delivery`. BUSY: queue or
     * budget full: nothing was started. */
    bool (*put)(void *context, const struct record *record, struct delivery *delivery,
                struct error *err);
    /* What became of a request's wait: implementations learn from it (the circuit). */
    void (*waited)(void *context, enum delivery_state state);
};

#endif

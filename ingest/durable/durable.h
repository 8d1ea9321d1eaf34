/* durable: the port of the accept step: where the records of a request are kept.
 *
 * The request's side knows only this; ack_rule.c is the one implementation, tests have
 * fakes. Any thread.
 */
#ifndef INGEST_DURABLE_DURABLE_H
#define INGEST_DURABLE_DURABLE_H

#include "ingest/durable/delivery.h"

struct durable {
    void *context;
    /* Would a request be taken now? Takes nothing: for refusing a request before its body
     * is read. */
    bool (*would_take)(void *context);
    /* Takes the delivery, which ends by its on_end, perhaps before this returns. Never
     * blocks. A record that can never be stored as it is (too large for the topic,
     * refused) is moved to <prefix>.rejected, which counts as durable. */
    void (*take)(void *context, struct delivery *d);
    /* How long a delivery's records may be under way before `on_deadline` is to be called
     * first. */
    int64_t ack_timeout_ms;
    /* A deadline has passed; whoever calls holds the delivery. Returns the next one:
     * INT64_MAX when it has ended. */
    int64_t (*on_deadline)(void *context, struct delivery *d, int64_t now_mono_ms);
};

#endif

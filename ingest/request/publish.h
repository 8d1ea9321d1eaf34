/* publish: the records of one request on their way to being durable, waited for
 * together.
 *
 * A request may hold as many events as its body has room for; what is under way of it is
 * bounded: beyond a few thousand records it waits for acknowledgements before it goes on.
 * No wait outlasts the answer's deadline. On the request's thread.
 */
#ifndef INGEST_REQUEST_PUBLISH_H
#define INGEST_REQUEST_PUBLISH_H

#include "ingest/events/event_record.h"
#include "ingest/request/request.h"

struct publishing {
    struct event_facts facts;
    struct event_scratch scratch;
    struct delivery *delivery;
    uint64_t counts[EVENT_TYPES]; /* of records that were handed on */
    uint64_t total;
    bool is_refused; /* a record could not be handed on: the rest need not be tried */
    bool is_late;    /* acknowledgements did not come in time */
};

/* Begins for a visit whose source is known; `split` NULL: there is no envelope. Ended by
 * publishing_end. */
void publishing_begin(const struct visit *v, const struct body_split *split,
                      struct publishing *out);

/* Hands on an event, or bytes that are none. */
void publishing_add_event(const struct visit *v, struct publishing *p,
                          const struct body_event *event);
void publishing_add_rejected(const struct visit *v, struct publishing *p,
                             struct view bytes, enum reject_reason reason,
                             const char *detail);

/* Waits for everything that was handed on, at most until the ack timeout or the answer's
 * deadline; true when all of it is durable. */
bool publishing_end(const struct visit *v, struct publishing *p);

#endif

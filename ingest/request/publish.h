/* publish: from a request's events to the records that its delivery hands over.
 *
 * Plain events (body_scan.h) become the records of one delivery, which takes the body, so
 * that nothing is copied, and is answered by whoever ends it. Others, and bytes that are
 * no event, are copied in portions of bounded size, each waited for before the next: a
 * request may hold as many events as its body has room for, what is under way of it stays
 * bounded. On the request's thread.
 */
#ifndef INGEST_REQUEST_PUBLISH_H
#define INGEST_REQUEST_PUBLISH_H

#include "ingest/events/event_record.h"
#include "ingest/request/request.h"

/* True when the worker's elements are small enough with their headers. */
bool publish_has_room(const struct request *r, const struct body_split *split);

/* Publishes the worker's elements, and answers (pending_answer). At least one. */
void publish_elements(struct request *r, const struct body_split *split);

/* Publishes what body_split gives, one event after another; true when all is durable.
 * *out_last is the last event, for who must say what is wrong with it. */
bool publish_split(struct request *r, struct body_split *split,
                   struct body_event *out_last);

/* Publishes bytes that are no event as rejected; true when that is durable. */
bool publish_rejected(struct request *r, struct view bytes, enum reject_reason reason,
                      const char *detail);

#endif

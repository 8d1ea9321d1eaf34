/* event_record: from an event and the facts of its request to the record that Kafka
 * keeps: its topic, key and headers, or the reason why it goes to <prefix>.rejected.
 *
 * Knows no Kafka and no HTTP. Nothing is copied: a record borrows from the body, the
 * request's facts and the scratch, until the next record is made. Pure.
 */
#ifndef INGEST_EVENTS_EVENT_RECORD_H
#define INGEST_EVENTS_EVENT_RECORD_H

#include "ingest/events/body_split.h"

#include "common/contract/message_id.h"
#include "common/contract/record.h"

/* What all records of a request share. Views are borrowed for the request. */
struct event_facts {
    struct record common; /* source, schema, received_at_ms, via, auth, request_id,
                             sent_at, context, integrations, ip, traceparent */
    bool has_path_type;   /* the path names the type: for events without one */
    enum event_type path_type;
    uint64_t max_event_bytes; /* value and headers */
};

/* Memory for one record's own texts, reused from event to event. */
struct event_scratch {
    struct arena *arena;
    struct message_id id;
    char detail[REJECT_DETAIL_BYTES];
};

/* Fills *out: to the topic of the event's type, or to <prefix>.rejected with reason and
 * detail. An event without doc is rejected: also bytes that are no event, such as a body
 * that cannot be split. What is rejected and longer than an event may be is cut to
 * REJECT_KEPT_BYTES, with its size and SHA-256 in the detail. Borrows from all arguments.
 */
void event_record_make(const struct event_facts *facts, const struct body_event *event,
                       uint32_t seq, struct event_scratch *scratch, struct record *out);

/* True when an event with this key is small enough with its headers. */
bool event_record_fits(const struct event_facts *facts, struct view key,
                       struct view value);

#endif

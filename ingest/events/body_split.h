/* body_split: from a request's body to its events: a single object, an array,
 * {"batch":[..]}, or an Extensible Webhook's wrapped batch [{"json":{..}},..]
 * (senders.md, 1.5). An object with the `type` of an event is an event, even when it has
 * a `batch`.
 *
 * Two passes over the bytes: body_split_open checks the outer structure to its end and
 * finds the envelope's own members (they may follow the batch); body_split_next then
 * gives one element after another, scanned strictly. Nothing is kept per event, so memory
 * does not grow with their number. Pure.
 */
#ifndef INGEST_EVENTS_BODY_SPLIT_H
#define INGEST_EVENTS_BODY_SPLIT_H

#include "common/base/error.h"
#include "common/contract/json_doc.h"
#include "common/contract/json_split.h"
#include "common/contract/reject_reason.h"

enum body_shape { BODY_SINGLE, BODY_ARRAY, BODY_ENVELOPE };

struct body_split {
    enum body_shape shape;
    size_t count;         /* of elements; 1 when single */
    struct view elements; /* the array's bytes; the event's when single */
    struct view
        first; /* the first element's exact bytes (unwrapped): what senders sign */
    /* The envelope's members, raw JSON, empty when absent; sent_at decoded. */
    struct view context, integrations, sent_at;
    struct view
        write_key; /* the envelope's, else the first event's own `writeKey`, decoded */
    struct json_split cursor;
    bool is_done;
};

struct body_event {
    struct view bytes;          /* the event, exactly as sent */
    const struct json_doc *doc; /* its members; NULL when it is rejected */
    enum reject_reason reason;  /* when it is rejected */
    char detail[REJECT_DETAIL_BYTES];
};

/* Reads the outer structure, with `doc` as scratch. False when it cannot be split:
 * *out_reason and *err (INVALID, says where and why) go into the answer and the rejected
 * record. */
MUST_CHECK bool body_split_open(struct body_split *split, struct view body,
                                struct json_doc *doc, struct arena *arena,
                                enum reject_reason *out_reason, struct error *err);

/* The first event's exact bytes (unwrapped) where only the beginning of a batch is there;
 * empty when that is no array or holds no whole event. */
struct view body_split_first_of(struct view beginning);

/* What one event is, by itself; out->doc is `doc` where it is one. */
void body_event_judge(struct view bytes, struct json_doc *doc, uint64_t max_event_bytes,
                      struct body_event *out);

/* The next event; false at the end. out->doc is `doc`, valid until the next call. */
bool body_split_next(struct body_split *split, struct json_doc *doc,
                     uint64_t max_event_bytes, struct body_event *out);

#endif

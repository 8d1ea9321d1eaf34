/* sender: who sends a request: the source that it names, and whether it may speak for it
 * (interface.md, section 3).
 *
 * A webhook names its source in the path and proves itself by token or signature; an SDK
 * names it by its write key, in the head or in the body. Who is refused is answered here,
 * counted and logged: webhooks with 503 and Retry-After (Segment comes again for four
 * hours, so a mistyped secret loses nothing), SDKs with 401. On the request's thread.
 */
#ifndef INGEST_REQUEST_SENDER_H
#define INGEST_REQUEST_SENDER_H

#include "ingest/request/request.h"

/* Finds the webhook's source by its slug. False: answered. */
MUST_CHECK bool sender_find_webhook(struct request *r);

/* Finds the source of a write key. Without a key the source stays unknown, unless this is
 * the last place where one could be. False: answered. */
MUST_CHECK bool sender_find_sdk(struct request *r, struct view write_key,
                                bool is_last_place);

/* Judges a webhook's credentials over its body; `first` is the first event of a batch,
 * else empty. Notes in the request how strong they are. False: answered. */
MUST_CHECK bool sender_judge_webhook(struct request *r, struct view body,
                                     struct view first);

/* The same when the body was too large to be read whole: only what its beginning shows
 * counts, `first` being its first event. */
MUST_CHECK bool sender_judge_beginning(struct request *r, struct view first);

/* True when the head alone shows that the request is ours, so that it may be large. */
bool sender_is_known_by_head(const struct request *r);

#endif

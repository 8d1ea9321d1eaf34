/* answer_text: an answer as it goes over the wire, status line to body. Pure.
 */
#ifndef INGEST_HTTP_ANSWER_TEXT_H
#define INGEST_HTTP_ANSWER_TEXT_H

#include "ingest/http/http_exchange.h"

#include "common/base/buf.h"

struct answer_facts {
    const char *request_id;
    bool closes;  /* Connection: close */
    bool is_head; /* of a HEAD request: without the body */
};

/* Appends the answer. The status must be one of those that the product gives. */
void answer_text_add(struct buf *out, const struct http_reply *reply,
                     const struct answer_facts *facts);

#endif

/* framing: is it certain where a request ends? Judged from its headers alone; pure.
 *
 * A request that two servers could cut differently is a smuggling risk behind a shared
 * proxy, and civetweb 1.15 accepts what it should not (reliability.md, 2.2):
 * Content-Length beside Transfer-Encoding, several or malformed lengths, codings other
 * than chunked. What its parser hides is request_head's to find. RFC 9112, section 6.
 */
#ifndef INGEST_HTTP_FRAMING_H
#define INGEST_HTTP_FRAMING_H

#include "common/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_MAX_HEADERS 64 /* civetweb's array has no more */

struct framing_header {
    struct view name, value;
};

struct framing {
    int64_t content_length; /* -1: none */
    bool is_chunked;
};

/* Fills *out and returns NULL, or says (static text) why the request must be refused with
 * 400 and the connection closed; *out is then { -1, false }. */
const char *framing_judge(const struct framing_header *headers, size_t count,
                          struct view path, struct framing *out);

#endif

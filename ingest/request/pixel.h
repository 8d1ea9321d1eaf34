/* pixel: an event out of an image's address: GET /v1/pixel/track?data=<base64 of JSON>.
 *
 * Base64 comes padded or not, in either alphabet (RFC 4648, 4 and 5), percent-encoded
 * where a sender does so; '+' may have become a space on the way. Pure.
 */
#ifndef INGEST_REQUEST_PIXEL_H
#define INGEST_REQUEST_PIXEL_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/view.h"

/* Appends what the query's `data` stands for. INVALID when there is none, or it is no
 * base64: says which. */
MUST_CHECK bool pixel_decode(struct view query, struct buf *out, struct error *err);

#endif

/* settings: what analytics.js and the mobile SDKs are told before they send: where to.
 *
 * The smallest document they start from (senders.md, 2.5). Its host is
 * INGEST_PUBLIC_URL's alone: a Host header must never decide where clients send. Pure.
 */
#ifndef INGEST_REQUEST_SETTINGS_H
#define INGEST_REQUEST_SETTINGS_H

#include "common/base/buf.h"
#include "common/base/view.h"

/* Appends the document for clients with this write key. */
void settings_add(const char *public_url, struct view write_key, struct buf *out);

#endif

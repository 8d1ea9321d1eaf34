/* source_json: the registry's text: a list of sources to and from JSON.
 *
 *   { "sources": [ { "name": "Stitch Segment", "slug": "stitch-segment",
 *                    "schema": "stitch_segment", "write_keys": ["…"], "tokens": ["…"],
 *                    "secrets": ["…"], "require": "any", "rate_per_second": 0 } ],
 *     "removed": [ { "name": "Shop", "slug": "shop", "schema": "shop" } ] }
 *
 * "name", "slug" and "schema" are required; the lists of credentials hold at most
 * SOURCE_MAX_CREDENTIALS. Members that we do not know are passed over, so that a newer
 * version's file is readable; types and values of those that we know are checked
 * strictly. Credentials never appear in an error. Pure.
 */
#ifndef INGEST_REGISTRY_SOURCE_JSON_H
#define INGEST_REGISTRY_SOURCE_JSON_H

#include "ingest/registry/source_list.h"

#include "common/base/buf.h"

/* Reads the text into the empty list *out. INVALID names the line or the member. */
MUST_CHECK bool source_json_read(struct view text, struct source_list *out,
                                 struct error *err);

/* Appends the list's text, ended by a newline. */
void source_json_write(const struct source_list *list, struct buf *out);

#endif

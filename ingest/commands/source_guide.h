/* source_guide: a source as its user needs it: address, credentials, and what to paste
 * into Segment and into SDKs. Shows secrets: only for the terminal of whoever may see
 * them. Pure. */
#ifndef INGEST_COMMANDS_SOURCE_GUIDE_H
#define INGEST_COMMANDS_SOURCE_GUIDE_H

#include "ingest/registry/source.h"

#include "common/base/buf.h"

struct source_address {
    const char *public_url; /* NULL: unknown */
    const char *listen;     /* what to show instead */
};

/* Appends the text for people. */
void source_guide_add_text(const struct source *source,
                           const struct source_address *address, struct buf *out);

/* Appends the JSON document of `source add --json` (interface.md, section 1), with the
 * newest credential of each kind, and a newline. */
void source_guide_add_json(const struct source *source, struct buf *out);

/* The newest credential; "" when there is none. */
const char *source_guide_newest(const struct source_credentials *credentials);

#endif

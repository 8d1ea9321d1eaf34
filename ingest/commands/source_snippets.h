/* source_snippets: what to paste where, for each kind of sender, with a source's own
 * address and credentials filled in. Pure.
 *
 * Where each SDK takes its host from was read in the SDKs' sources (senders.md, 2.3); the
 * snippets of the senders that can run on a build machine are run by `tests/run senders`.
 */
#ifndef INGEST_COMMANDS_SOURCE_SNIPPETS_H
#define INGEST_COMMANDS_SOURCE_SNIPPETS_H

#include "common/base/buf.h"

struct snippet_facts {
    const char *url;   /* "https://in.example.org", no slash at its end */
    const char *slug;  /* of the source */
    const char *token; /* "" when there is none; these two likewise */
    const char *secret;
    const char *write_key;
};

/* Appends a titled block for each sender; SDKs only when there is a write key. */
void source_snippets_add(const struct snippet_facts *facts, struct buf *out);

#endif

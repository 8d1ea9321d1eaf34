/* source_guide: a source as its user needs it: address, credentials, and for each kind of
 * sender the exact lines to paste (source_snippets). Shows secrets: only for the terminal
 * of whoever may see them. Pure. */
#ifndef INGEST_COMMANDS_SOURCE_GUIDE_H
#define INGEST_COMMANDS_SOURCE_GUIDE_H

#include "ingest/registry/source.h"

#include "common/base/buf.h"
#include "common/service/command.h"

/* Appends what a command prints of a source: with --json the document of `source add`
 * (interface.md, section 1), with the newest credential of each kind; else the text for
 * people. The config's INGEST_PUBLIC_URL is the address, else INGEST_LISTEN. */
void source_guide_add(const struct command_call *call, const struct source *source,
                      struct buf *out);

/* The newest credential; "" when there is none. */
const char *source_guide_newest(const struct source_credentials *credentials);

#endif

/* new_credential: credentials of a source made and retired: random letters and digits, so
 * that each can stand in a header, a path and a form as it is.
 *
 * A write key is public and as long as Segment's own (32 characters); tokens and secrets
 * have 256 bits. Nothing here reads or writes a file. One thread.
 */
#ifndef INGEST_REGISTRY_NEW_CREDENTIAL_H
#define INGEST_REGISTRY_NEW_CREDENTIAL_H

#include "ingest/registry/source.h"

enum credential_kind { CREDENTIAL_WRITE_KEY, CREDENTIAL_TOKEN, CREDENTIAL_SECRET };
#define CREDENTIAL_KINDS 3

/* "write key", "token", "secret": as messages call it. */
extern const char *const credential_names[CREDENTIAL_KINDS];

/* The source's credentials of this kind. */
struct source_credentials *credentials_of(struct source *source,
                                          enum credential_kind kind);

/* Makes one and puts it behind the others of its kind; there must be room. */
void credential_add(struct source *source, enum credential_kind kind);

/* Forgets all of this kind but the newest; how many that were. */
unsigned credential_retire(struct source *source, enum credential_kind kind);

#endif

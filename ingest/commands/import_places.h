/* import_places: how far each file is imported: the file that makes an import resumable.
 *
 * A line "SOURCE<TAB>LINES<TAB>PATH" is appended when a batch is durable; the last one of
 * a source and path holds. Appending is what survives a kill -9 at any moment: a line
 * that was torn by a lost machine is passed over. One thread.
 */
#ifndef INGEST_COMMANDS_IMPORT_PLACES_H
#define INGEST_COMMANDS_IMPORT_PLACES_H

#include "common/base/error.h"

#include <stdint.h>

struct import_places;

/* Reads the file, if it is there. `source` is borrowed. */
MUST_CHECK bool import_places_open(const char *path, const char *source,
                                   struct import_places **out, struct error *err);
/* NULL is allowed. */
void import_places_close(struct import_places *p);

/* So many lines of the file are done. */
int64_t import_places_of(const struct import_places *p, const char *file);

/* Notes it. FATAL: it cannot be written. */
MUST_CHECK bool import_places_note(struct import_places *p, const char *file,
                                   int64_t lines, struct error *err);

#endif

/* import_places: how far each file is imported: the file that makes an import resumable.
 *
 * A line "DESTINATION<TAB>FIRST<TAB>LINES<TAB>PATH" is appended when a batch is durable;
 * the last one of a destination, path and first line (its CRC32C) holds: another file
 * under the same name begins anew, one that has grown does not. Appending is what
 * survives a kill -9 at any moment: a line that was torn by a lost machine is passed
 * over. One thread.
 */
#ifndef INGEST_COMMANDS_IMPORT_PLACES_H
#define INGEST_COMMANDS_IMPORT_PLACES_H

#include "common/base/error.h"

#include <stdint.h>

struct import_places;

struct import_place {
    const char *file; /* its path, absolute */
    uint32_t first;
    int64_t lines; /* that are done */
};

/* Reads the file, if it is there. Both texts are borrowed; `destination` says whose
 * events go where. */
MUST_CHECK bool import_places_open(const char *path, const char *destination,
                                   struct import_places **out, struct error *err);
/* NULL is allowed. */
void import_places_close(struct import_places *p);

/* So many lines of the file are done. */
int64_t import_places_of(const struct import_places *p, const char *file, uint32_t first);

/* Notes it. FATAL: it cannot be written. */
MUST_CHECK bool import_places_note(struct import_places *p,
                                   const struct import_place *place, struct error *err);

#endif

/* sink_failure: what a failure of the database means for the loader, by its SQLSTATE
 * (reliability.md, 3.3). Pure.
 */
#ifndef LOADER_POSTGRES_SINK_FAILURE_H
#define LOADER_POSTGRES_SINK_FAILURE_H

#include "common/base/error.h"

enum sink_failure {
    SINK_RECONNECT, /* 08*, 57P01-03, 25006, 53300, dead socket: back off, same batch,
                       unlimited */
    SINK_RETRY,     /* 40001, 40P01, 55P03: the same batch again */
    SINK_TOO_SLOW,  /* 57014: again, with half the batch */
    SINK_RESOURCE,  /* 53100, 53200, 58030: long back-off, page */
    SINK_STALE,    /* 42P01, 42703, 42804, 0A000 (cached plan), BS002: read the catalogue,
                      map again */
    SINK_DDL_RACE, /* 42P07, 42701, 42710, 23505 on an index of pg_catalog: somebody else
                      did it */
    SINK_POISON,   /* 22*, 23*, 54000, 54001, 54011: some event is refused */
    SINK_FENCED,   /* BS001: our position is not the database's */
    SINK_CONFIG,   /* 28*, 3D000: of the database as a whole: retry slowly, page */
    SINK_TABLE,    /* 42501, 3F000, BS003: a right or another fault of a table: held */
    SINK_UNKNOWN,  /* anything else: the table is held, page, reject nothing */
};

/* By the SQLSTATE in the error's code; what is not listed is SINK_UNKNOWN. */
enum sink_failure sink_failure_of(const struct error *err);

/* "reconnect", "retry", ..: the word for logs and metrics. */
const char *sink_failure_name(enum sink_failure failure);

#endif

/* spool_recover: what an earlier process left in the spool's folder, and what is done
 * about each file at the start.
 *
 *     last segment, torn tail       cut off: it was never acknowledged
 *     last segment, less than a head   removed: the same
 *     damaged record                skipped and counted; the file is kept in the end
 *     no good head                  set aside under another name, counted
 *     another version               left, named in the log
 *     an unfinished "new" file      removed: the old one is still there
 *     anything else                 left, named in the log
 *
 * All but the last segment are looked into only later (spool_recover_survey), so that a
 * start does not wait for a gigabyte to be read: they were synced whole before the next
 * one began.
 */
#ifndef INGEST_DURABLE_SPOOL_RECOVER_H
#define INGEST_DURABLE_SPOOL_RECOVER_H

#include "ingest/durable/spool_inventory.h"
#include "ingest/durable/spool_survey.h"

/* Fills an empty inventory. FATAL: a file could not be read or changed. */
MUST_CHECK bool spool_recover(const struct spool_folder *folder,
                              struct spool_inventory *out, struct error *err);

/* Reads segment `number` through; what cannot be opened is one damage. Does not touch the
 * inventory: it takes long. */
void spool_recover_survey(const struct spool_folder *folder, uint64_t number,
                          uint64_t bytes, struct spool_survey *out);

/* Notes what a survey found, and says in the log when it is damage. */
void spool_recover_note(struct spool_inventory *v, struct spool_segment *s,
                        const struct spool_survey *found);

#endif

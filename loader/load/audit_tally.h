/* audit_tally: what became of the log's events, by table and day, and how many of them
 * are copies. Pure.
 *
 * Distinct ids are told from copies by 64 bits of their digest, 8 bytes each: 10 million
 * ids take 128 MiB, and half as much again while the set grows, so it is best told how
 * many to expect. Beyond AUDIT_IDS_MAX copies are no longer
 * told from first ones (is_over): memory is bounded whatever the range. Whether an event
 * is missing never depends on it.
 */
#ifndef LOADER_LOAD_AUDIT_TALLY_H
#define LOADER_LOAD_AUDIT_TALLY_H

#include "common/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as fill 2^24 slots to two thirds: one more, and 256 MiB would be needed. */
#define AUDIT_IDS_MAX 11000000

enum audit_fate {
    AUDIT_LOADED,
    AUDIT_REJECTED,
    AUDIT_SUPPRESSED, /* by integrations, or a request for deletion */
    AUDIT_HELD,
    AUDIT_NOT_YET, /* behind the position */
    AUDIT_MISSING,
};

#define AUDIT_FATES 6

/* "loaded", .. */
const char *audit_fate_name(enum audit_fate fate);

struct audit_row {
    char *table;                 /* "schema.table" */
    int64_t day;                 /* since 1970-01-01, UTC, of the receipt */
    uint64_t copies;             /* further records of an id that was met before */
    uint64_t fates[AUDIT_FATES]; /* distinct ids */
};

struct audit_tally {
    struct audit_row *rows; /* by table and day when sorted */
    size_t row_count, row_capacity, last;
    uint64_t *ids; /* open addressing; 0: free */
    size_t id_count, id_capacity;
    bool is_over;
    uint64_t records;
};

/* So many records will be met: before the first one. */
void audit_tally_expect(struct audit_tally *t, uint64_t records);

/* A record of this table was met: true when its id is new. */
bool audit_tally_meet(struct audit_tally *t, struct view schema, struct view table,
                      int64_t received_at_ms, struct view message_id);

/* What became of it. */
void audit_tally_note(struct audit_tally *t, struct view schema, struct view table,
                      int64_t received_at_ms, enum audit_fate fate);

/* Orders the rows. */
void audit_tally_sort(struct audit_tally *t);

/* Over all rows. */
uint64_t audit_tally_sum(const struct audit_tally *t, enum audit_fate fate);

/* Frees everything. */
void audit_tally_release(struct audit_tally *t);

#endif

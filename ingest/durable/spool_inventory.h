/* spool_inventory: what is in the spool's folder, in memory: the segments in order, and
 * the sums.
 *
 * A plain list that its owner guards; pure.
 */
#ifndef INGEST_DURABLE_SPOOL_INVENTORY_H
#define INGEST_DURABLE_SPOOL_INVENTORY_H

#include "ingest/durable/spool_segment.h"

struct spool_segment {
    struct spool_segment *next;
    uint64_t number;
    uint64_t bytes;      /* durable ones; what is beyond must not be read */
    uint64_t disk_bytes; /* what its file takes, in whole blocks */
    int64_t made_at_ms;
    bool is_closed;   /* nothing more will be written to it */
    bool is_surveyed; /* the tally is known */
    bool is_damaged;  /* holds bytes that could not be read */
    struct spool_tally tally;
};

struct spool_inventory {
    struct spool_segment *oldest, *newest;
    uint64_t next_number; /* of a new segment; 1 at first */
    uint64_t disk_bytes;  /* of all files, also of those that are not read */
    uint64_t records;     /* to be delivered, as far as segments are surveyed */
    uint64_t corrupt_records;
    uint64_t unread_files; /* set aside, of another version, not ours */
};

/* A segment behind all others; its number is the next one, or one that was found. */
struct spool_segment *spool_inventory_add(struct spool_inventory *v, uint64_t number);

/* Forgets a segment of the list, and its bytes on disk. */
void spool_inventory_drop(struct spool_inventory *v, const struct spool_segment *s);

/* Forgets all. */
void spool_inventory_release(struct spool_inventory *v);

/* The first segment with this number or a higher one; NULL: there is none. */
struct spool_segment *spool_inventory_find(const struct spool_inventory *v,
                                           uint64_t number);

/* Counts records into a segment and into the sum. */
void spool_inventory_count(struct spool_inventory *v, struct spool_segment *s,
                           const struct spool_tally *t);

/* The segment has `bytes` now. */
void spool_inventory_resize(struct spool_inventory *v, struct spool_segment *s,
                            uint64_t bytes);

#endif

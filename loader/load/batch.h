/* batch: records that are loaded together, and what the mapping made of them.
 *
 * The consumer adds records, maps each at once, and hands the batch to the writer, who
 * loads it and hands it back. When a table turned out to be another than the one that the
 * batch was mapped for, or the database refused single rows, it comes back unloaded: the
 * consumer maps it again, against the tables that came with it and with what was found
 * out about single records (batch_mark). So there is one mapper, on one thread. Owned by
 * one thread at a time. A batch keeps its records until it is freed: mapping again needs
 * nothing from Kafka.
 *
 * A live batch moves the positions of partitions: records of one partition are
 * consecutive offsets but for what the log itself leaves out. A slice (batch_new_slice)
 * is part of a held range, of one table and partition: it moves the start of that range
 * and no position (architecture.md, section 4, "Held").
 */
#ifndef LOADER_LOAD_BATCH_H
#define LOADER_LOAD_BATCH_H

#include "loader/load/catalogue.h"
#include "loader/load/log_record.h"
#include "loader/postgres/sink.h"

#include "common/base/error.h"

/* In place of the number of a table: an event that is for none. */
#define BATCH_NO_TABLE UINT32_MAX

/* What became of a record. */
struct batch_entry {
    enum map_outcome outcome;
    uint32_t table; /* in `tables`; BATCH_NO_TABLE: delete, rejected at the edge, .. */
    uint32_t at;    /* among the table's rows, `rejected` or `deletions` */
};

/* What the database found out about a record, for the next mapping. */
struct batch_mark {
    enum { BATCH_MAP_NORMAL, BATCH_MAP_NARROW, BATCH_MAP_REFUSED } how;
    enum reject_reason word; /* REFUSED */
    char *detail;
};

struct batch_table {
    struct table_plan *plan;
    struct row *rows;
    uint32_t *records; /* rows[i] is of this record; ascending */
    size_t row_count, row_capacity;
};

struct batch {
    struct log_record *records;
    size_t record_count, record_capacity;
    size_t loaded_count;  /* so many of them, from the first on, are committed already */
    size_t skipped_count; /* so many are only passed (log_record.h, is_skipped) */
    uint64_t bytes;       /* of values and headers */
    int64_t first_at_mono_ms;
    struct sink_interval *intervals;
    size_t interval_count, interval_capacity;
    bool is_slice;
    struct sink_range slice;  /* of a slice: what it covers of which held range */
    int64_t lost;             /* of a slice: so many offsets are no longer in the log */
    struct batch_mark *marks; /* by record; NULL: none is marked */
    /* What the mapping made of them; emptied and made again by batch_map. */
    struct batch_entry *entries; /* by record */
    size_t entry_capacity;
    struct batch_table *tables;
    size_t table_count, table_capacity;
    struct sink_rejected *rejected;
    size_t rejected_count, rejected_capacity;
    struct sink_deletion *deletions;
    size_t deletion_count, deletion_capacity;
    uint64_t sanitized, overflowed, demoted;
    struct arena arena;
};

struct batch_context { /* what adding and mapping need; the consumer's */
    struct catalogue *catalogue;
    struct mapper *mapper;
    size_t max_columns;
    bool is_frozen; /* LOADER_SCHEMA=frozen: no natural columns */
};

/* An empty live batch; free it with batch_free. */
struct batch *batch_new(void);

/* An empty slice of a held range, from its start; slice.to grows with batch_reach. */
struct batch *batch_new_slice(const struct sink_range *range);

/* Gives every record back and frees the batch. NULL is allowed. */
void batch_free(struct batch *b, const struct log_release *release);

/* Takes the record and maps it. The batch's interval of its partition grows to offset +
 * 1; the first record of a partition begins an interval at `from` (the position in force,
 * at most the record's offset; not looked at for a slice). `now_mono_ms` is the time of
 * the first record. */
void batch_add(struct batch *b, const struct batch_context *context,
               const struct log_record *record, int64_t from, int64_t now_mono_ms);

/* A slice covers its range up to this offset, whether the records there were its table's
 * or not. */
void batch_reach(struct batch *slice, int64_t to);

/* The same, where the log has lost what lay there. */
void batch_reach_lost(struct batch *slice, int64_t to);

/* Maps all records again, against the catalogue as it is now and by their marks. */
void batch_map(struct batch *b, const struct batch_context *context);

/* The database refused this record's row with an SQLSTATE. From the next mapping on its
 * short values go to _sdc_extra ("row is too big", once), or it is a rejected event for
 * that reason: then true. */
bool batch_mark_refused(struct batch *b, size_t record, const char *code,
                        const char *text);

/* True when nothing was added, and a slice does not reach beyond its start. */
bool batch_is_empty(const struct batch *b);

#endif

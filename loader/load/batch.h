/* batch: records that are loaded together, and what the mapping made of them.
 *
 * The intake adds records and maps each at once; the writer loads the batch, or maps it
 * again when a table changed meanwhile. A batch keeps its records until it is released,
 * so mapping again and bisecting need nothing from Kafka. Owned by one thread at a time:
 * handed from intake to writer. Records of one partition are consecutive offsets but for
 * what the log itself leaves out.
 */
#ifndef LOADER_LOAD_BATCH_H
#define LOADER_LOAD_BATCH_H

#include "loader/consume/stream.h"
#include "loader/load/catalogue.h"
#include "loader/postgres/sink.h"

struct batch_table {
    struct table_plan *plan;
    struct row *rows;
    size_t row_count, row_capacity;
    uint64_t bytes; /* of the rows' events */
    uint64_t suppressed_integrations;
    struct view source; /* whose events these are */
    int64_t last_received_at_ms;
};

struct batch {
    struct stream_record *records;
    size_t record_count, record_capacity;
    uint64_t bytes; /* of values and headers */
    int64_t first_at_mono_ms;
    struct sink_interval *intervals;
    size_t interval_count, interval_capacity;
    /* What the mapping made of them; emptied and made again by batch_map. */
    struct batch_table *tables;
    size_t table_count, table_capacity;
    struct sink_rejected *rejected;
    size_t rejected_count, rejected_capacity;
    struct sink_deletion *deletions;
    size_t deletion_count, deletion_capacity;
    uint64_t sanitized, overflowed, demoted;
    struct arena arena;
    bool is_narrow; /* mapped with MAP_NARROW: a row was too big for a page */
};

struct batch_context { /* what adding and mapping need; borrowed, one per intake or writer
                        */
    struct catalogue *catalogue;
    struct mapper *mapper; /* of the calling thread */
    size_t max_columns;
    bool is_frozen; /* LOADER_SCHEMA=frozen: no natural columns */
};

/* An empty batch; free it with batch_free. */
struct batch *batch_new(void);

/* Gives every record back through `stream` and frees the batch. NULL is allowed. */
void batch_free(struct batch *b, const struct stream *stream);

/* Takes the record and maps it. The batch's interval of its partition grows to offset +
 * 1; the first record of a partition begins an interval at `from` (the position in force,
 * at most the record's offset). */
void batch_add(struct batch *b, const struct batch_context *context,
               const struct stream_record *record, int64_t from);

/* Maps all records again, against the catalogue as it is now; with `narrow` as after "row
 * is too big". */
void batch_map(struct batch *b, const struct batch_context *context, bool narrow);

/* Moves the records from index `at` on into a new batch, and maps both. Intervals are
 * divided so that the first batch ends where the second begins. 0 < at < record_count. */
struct batch *batch_split(struct batch *b, const struct batch_context *context,
                          size_t at);

/* Turns the only record of the batch into a rejected one, for a reason the database gave.
 */
void batch_reject_only(struct batch *b, const struct batch_context *context,
                       enum reject_reason word, struct view detail);

/* What the batch asks of the database: a value that borrows the batch's arrays, and
 * `tables`, which has room for table_count elements. Valid as long as both are. */
struct sink_load batch_as_load(const struct batch *b, struct sink_rows *tables);

/* True when the batch covers nothing: no record was added. */
bool batch_is_empty(const struct batch *b);

#endif

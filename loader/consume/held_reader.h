/* held_reader: reads again what waited for a table, in slices (architecture.md, section
 * 4, "Held").
 *
 * A stream of records with another source of positions: not the group's assignment, but
 * ranges of offsets, each of one partition and one table. It reads one range at a time
 * with a stream of its own, keeps the records of the range's table, and makes of them
 * batches that move the range's start. It is told what the database knows of ranges and
 * tables, and tells nobody anything: the consumer hands its slices over between live
 * batches. The stream is opened when there is something to read, and closed when nothing
 * is left. The consumer's thread; never blocks but while Kafka is asked for the bounds of
 * a log whose records are gone.
 */
#ifndef LOADER_CONSUME_HELD_READER_H
#define LOADER_CONSUME_HELD_READER_H

#include "loader/consume/partitions.h"
#include "loader/load/loader_metrics.h"
#include "loader/load/task.h"

struct held_reader_setup {
    /* Opens a stream that belongs to no group. */
    bool (*open)(void *context, struct stream *out, struct error *err);
    void *context;
    struct loader_metrics *metrics;
    uint64_t slice_rows; /* a slice is full at so many records, or */
    uint64_t slice_bytes;
};

struct held_reader {
    struct held_reader_setup setup;
    struct sink_range *ranges; /* of assigned partitions */
    size_t count, capacity;
    struct held_name *held; /* tables that cannot be loaded now */
    size_t held_count;
    struct stream stream;  /* context NULL: not open */
    struct batch *filling; /* the slice that is being read; NULL: none */
    bool is_ready;         /* it is to be handed over */
    bool is_under_way;     /* a slice is with the writer, or is mapped again */
    int64_t next;          /* the offset expected next from the log */
    int64_t retry_at_mono_ms;
};

/* What waits for tables in the partitions assigned, as the database says. */
void held_reader_set_ranges(struct held_reader *h, const struct sink_range *ranges,
                            size_t count, struct partitions *assigned);

/* A load has noted these: a range begins, or its end moves. */
void held_reader_grow(struct held_reader *h, const struct sink_range *holds,
                      size_t count);

/* The tables that cannot be loaded, as the writer says. */
void held_reader_set_held(struct held_reader *h, const struct held_name *held,
                          size_t count);

/* True when the writer should look at the held tables from time to time. */
bool held_reader_waits_for_tables(const struct held_reader *h);

/* True when there is something to read now, or being read: the caller should not sleep
 * for long. */
bool held_reader_is_active(const struct held_reader *h, int64_t now_mono_ms);

/* Reads on for a moment, if there is something to read; `now_mono_ms` is the time. */
void held_reader_read(struct held_reader *h, const struct batch_context *context,
                      int64_t now_mono_ms);

/* A slice that is to be loaded, or NULL. It is the caller's; one at a time. */
struct batch *held_reader_take(struct held_reader *h);

/* What became of a slice: its range begins at `from` now; not done: it is read again. */
void held_reader_ended(struct held_reader *h, const struct sink_range *slice,
                       int64_t from, bool is_done, int64_t now_mono_ms);

/* Drops what is being read: positions or ranges are in doubt. */
void held_reader_drop(struct held_reader *h);

/* Gives the records of a slice back. */
struct log_release held_reader_release_of(const struct held_reader *h);

/* Frees everything. */
void held_reader_close(struct held_reader *h);

#endif

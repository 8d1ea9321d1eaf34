/* fake_sink: a database in memory for tests of the pipeline: keeps tables, positions and
 * what was loaded, and fails as told.
 *
 * It checks what PostgreSQL would check of our side: positions advance from where they
 * are, held ranges too (BS001), a batch was mapped for the table as it is (BS002). One
 * thread.
 */
#ifndef TESTS_SUPPORT_FAKE_SINK_H
#define TESTS_SUPPORT_FAKE_SINK_H

#include "loader/postgres/sink.h"

#include "common/base/buf.h"

#define FAKE_SINK_MAX 20000

struct fake_sink {
    struct sink sink;
    /* Failures to come: each load takes the first code that is left ("40001", ..); ""
     * lets it through. */
    const char *load_failures[32];
    size_t load_failure_count, load_failure_next;
    const char *connect_failures[8];
    size_t connect_failure_count, connect_failure_next;
    const char *extend_failures[8];
    size_t extend_failure_count, extend_failure_next;
    const char *move_failures[8];
    size_t move_failure_count, move_failure_next;
    /* Records at these offsets are refused with this code as long as they are rows, not
     * rejected. */
    int64_t poison_offsets[64];
    size_t poison_count;
    const char *poison_code;
    bool refuses_probe; /* the table refuses our own row as well */
    /* Every load of rows into this table fails with this code; NULL: none. */
    const char *broken_table;
    const char *broken_code;
    int64_t now_ms; /* its clock */
    /* What happened. */
    unsigned connects, loads, extends, probes, reads, trials;
    bool is_connected;
    const struct table *tables[16];
    size_t table_count;
    struct sink_position positions[64];
    size_t position_count;
    int64_t loaded_offsets[FAKE_SINK_MAX]; /* rows and rejected, by commit, then offset */
    size_t loaded_count;
    int64_t rejected_offsets[FAKE_SINK_MAX];
    size_t rejected_count;
    struct buf reasons; /* of the rejected, a line each */
    struct sink_range held[16];
    size_t held_count;
    unsigned gaps;
    int64_t lost; /* offsets of held ranges that the log had no longer */
    unsigned position_reads;
};

/* An empty database without faults; release frees it and all its tables. */
void fake_sink_init(struct fake_sink *f);
void fake_sink_release(struct fake_sink *f);

/* Puts a table there as if a human or another loader had made it. Takes the reference. */
void fake_sink_put_table(struct fake_sink *f, const struct table *t);

/* The position of a partition; -1: none. */
int64_t fake_sink_position(const struct fake_sink *f, const char *topic,
                           int32_t partition);

/* Sets a partition's position, whatever it was. */
void fake_sink_place(struct fake_sink *f, const char *topic, int32_t partition,
                     int64_t next_offset);

#endif

/* sink: the port of the database: PostgreSQL (loader/postgres/) or a test's fake.
 *
 * One thread (the writer) calls it; it owns one connection. What is to be loaded comes as
 * a value, a `struct sink_load`: the caller's arrays, only read. Every function makes one
 * attempt, ends within a limit whatever the server does, and reports; when to try again
 * is the pipeline's decision, by the failure's kind (reliability.md, 3.3), which
 * `sink_failure_of` reads from the error's SQLSTATE.
 */
#ifndef LOADER_POSTGRES_SINK_H
#define LOADER_POSTGRES_SINK_H

#include "loader/postgres/sink_failure.h"
#include "loader/postgres/sink_load.h"

#include "common/base/error.h"

struct sink {
    void *context;
    /* The clock of all waiting and of all deadlines: milliseconds that never go back. */
    int64_t (*mono_ms)(void *context);
    /* Any thread: from now on, until it is told otherwise, calls end soon with a failure
     * of RECONNECT's kind, the one under way too: whoever waits for it has given up. */
    void (*interrupt)(void *context, bool is_on);
    /* Connects (again): session settings, migrations of the control schema under an
     * advisory lock. INVALID, FATAL: a database that cannot be used
     * at all; anything else is RETRY. */
    bool (*connect)(void *context, struct error *err);
    void (*disconnect)(void *context);
    /* The table as it is now; one that does not exist gives a table with exists == false.
     * *out has one reference. */
    bool (*read_table)(void *context, struct view schema, struct view name,
                       struct table **out, struct error *err);
    /* Makes schema, table and columns that the plan adds, in a transaction of its own
     * under the DDL lock, and reads the table again. Columns that exist meanwhile are
     * left as they are: the caller compares. RETRY (55P03) when a reader holds the table
     * beyond lock_timeout. */
    bool (*extend)(void *context, const struct table_plan *plan, struct table **out,
                   struct error *err);
    /* Fills next_offset of each position. */
    bool (*read_positions)(void *context, const char *cluster_id,
                           struct sink_position *positions, size_t count,
                           struct error *err);
    /* All moves or none, each with its gap. BS001 when one is not where it is expected.
     */
    bool (*move_positions)(void *context, const char *cluster_id,
                           const struct sink_move *moves, size_t count,
                           struct error *err);
    /* All ranges that wait for a table; free() the list. */
    bool (*read_held)(void *context, const char *cluster_id, struct sink_range **out,
                      size_t *out_count, struct error *err);
    /* Notes that a held table was tried again, with what stood in the way. */
    bool (*note_tried)(void *context, const char *cluster_id, struct view schema,
                       struct view name, const struct error *why, struct error *err);
    /* The one transaction of a batch: advance, rows, rejected, deletions, holds,
     * statistics. counts[i] belongs to tables[i] of the load. On failure nothing is
     * loaded, and *failed_table says at which of them the database stopped: table_count +
     * i stands for the _sdc_rejected of rejected[i]'s schema, SINK_NO_TABLE for none. */
    bool (*load)(void *context, const char *cluster_id, const struct sink_load *load,
                 struct load_counts *counts, size_t *failed_table, struct error *err);
    /* Finds the rows that are refused, in one transaction that is rolled back: first a
     * row of our own, then all rows, halved until each refused one is alone. True when
     * *out says which; when the table is at fault, *err has the refusal. */
    bool (*try_rows)(void *context, const struct sink_rows *rows, struct sink_trial *out,
                     struct error *err);
    /* Tries a row of our own values in the table, rolled back: false with the error when
     * even that is refused. */
    bool (*probe)(void *context, const struct table *table, struct error *err);
};

#endif

/* table_keeper: the writer's knowledge of tables: what each is, which are held, and the
 * making of what batches need.
 *
 * Reads tables never seen, adds the columns that a batch's plans ask for, judges whether
 * a table is what a batch was mapped for, and keeps those whose records have to wait
 * (architecture.md, section 4, "Held"). It acts through the sink and decides nothing
 * about failures that are not a table's: these go back to the pipeline. The writer's
 * thread.
 */
#ifndef LOADER_LOAD_TABLE_KEEPER_H
#define LOADER_LOAD_TABLE_KEEPER_H

#include "loader/load/batch.h"
#include "loader/load/held_tables.h"
#include "loader/load/loader_metrics.h"
#include "loader/load/task.h"

struct table_keeper {
    const struct sink *sink;
    struct loader_metrics *metrics;
    struct catalogue *catalogue;
    struct held_tables held;
    int64_t reopen_at_mono_ms; /* when tables closed to DDL are read again; 0: none */
    unsigned ddl_attempts;     /* at the batch under way */
};

enum ensure_outcome {
    ENSURE_DONE,      /* every table that is not held is what the batch was mapped for */
    ENSURE_MAP_AGAIN, /* a table is another: take table_keeper_tables */
    ENSURE_WAIT,      /* somebody holds a table: again after wait_ms */
    ENSURE_FAILED,    /* err, at failed_table */
};

struct ensure_report {
    size_t failed_table; /* in the batch */
    bool is_extending;   /* it failed when columns were to be added */
    uint64_t wait_ms;
    struct error err;
};

/* A keeper that knows nothing yet. */
void table_keeper_init(struct table_keeper *k, const struct sink *sink,
                       struct loader_metrics *metrics);

/* Frees what the keeper holds. */
void table_keeper_release(struct table_keeper *k);

/* A new batch: DDL has its attempts again; tables closed to DDL are read again once their
 * time has come. */
void table_keeper_begin(struct table_keeper *k, int64_t now_mono_ms);

/* Makes the tables of the batch's rows true; holds those that the catalogue shows to be
 * unfit. Its plans are settled when DONE. */
enum ensure_outcome table_keeper_ensure(struct table_keeper *k, struct batch *batch,
                                        struct ensure_report *out);

/* The records of this table wait from now on; told once, with the reason. */
void table_keeper_hold(struct table_keeper *k, struct view schema, struct view name,
                       const struct error *why, bool needs_columns);

/* Looks at the held tables: those that changed or whose minute is over are tried again.
 * False with what the database said when it cannot be asked. */
bool table_keeper_look(struct table_keeper *k, const char *cluster_id, struct error *err);

/* A load with these rows was committed: tables on trial have passed. */
void table_keeper_loaded(struct table_keeper *k, const struct sink_load *load);

/* Every held table that is not on trial, for the consumer. */
void table_keeper_add_held(const struct table_keeper *k, struct task_result *r);

/* FATAL: the first held table and why; there is one. */
void table_keeper_tell_held(const struct table_keeper *k, struct error *err);

/* The table is to be read again before it is used; all of them: a new session. */
void table_keeper_forget(struct table_keeper *k, const struct table *t);
void table_keeper_forget_all(struct table_keeper *k);

#endif

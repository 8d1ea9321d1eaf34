/* task: what the consumer asks of the writer, and what the writer answers: values, handed
 * over whole. Neither side looks into the other.
 */
#ifndef LOADER_LOAD_TASK_H
#define LOADER_LOAD_TASK_H

#include "loader/load/batch.h"

enum task_kind {
    TASK_LOAD,           /* batch: takes it to its commit, whatever happens */
    TASK_READ_POSITIONS, /* positions: their next_offset; and all held ranges */
    TASK_MOVE_POSITIONS, /* moves: all of them or none */
    TASK_LOOK, /* positions: their next_offset; and tries held tables whose time has
                  come */
};

struct task {
    enum task_kind kind;
    const char *cluster_id;          /* part of a position's key; lives as long as the
                                        process's streams */
    struct batch *batch;             /* comes back with the result */
    struct sink_position *positions; /* from mem_*; come back, filled */
    size_t position_count;
    struct sink_move *moves; /* from mem_*; come back */
    size_t move_count;
};

enum task_outcome {
    TASK_DONE,
    TASK_MAP_AGAIN,  /* the batch is to be mapped again, with `tables`, and handed over
                        again; its first batch->loaded_count records are loaded */
    TASK_HELD,       /* a slice: its table cannot be loaded (yet); nothing was */
    TASK_FENCED,     /* BS001: read the positions again */
    TASK_GIVEN_UP,   /* as asked */
    TASK_IMPOSSIBLE, /* the database cannot be used at all: `error`; the process ends */
};

struct held_name {
    char schema[SINK_NAME_BYTES];
    char table[SINK_NAME_BYTES];
};

struct task_result {
    enum task_outcome outcome;
    struct task task; /* with what the task had handed over */
    struct error error;
    int64_t ended_at_mono_us; /* since when the writer has had nothing to do */
    unsigned connection; /* how often the database was connected to: positions are read
                            again for each */
    /* Committed, whatever the outcome: positions that moved, ranges that grew. */
    struct sink_interval *loaded;
    size_t loaded_count, loaded_capacity;
    struct sink_range *holds;
    size_t hold_count, hold_capacity;
    int64_t slice_from; /* of a slice: where its range begins now */
    /* The batch's tables as they are now, a reference each; every held table. */
    const struct table **tables;
    size_t table_count;
    struct held_name *held;
    size_t held_count;
    struct sink_range *ranges; /* TASK_READ_POSITIONS: what waits in the database */
    size_t range_count;
};

/* A load was committed: what it moved. */
void task_result_note_loaded(struct task_result *r, const struct sink_load *load);

/* Frees what the result owns but for the task's batch, positions and moves. */
void task_result_release(struct task_result *r);

#endif

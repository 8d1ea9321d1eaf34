/* batches: what lies between the log and the writer: the batch that is being filled, the
 * one that came back to be mapped again, and the slices of what waited for a table; which
 * of them the writer gets next, and what becomes of its results.
 *
 * Natural batching: small batches when there is little, large ones when there is much.
 * Live batches and slices take turns, so that neither waits for the other's end. The
 * consumer's thread; never blocks.
 */
#ifndef LOADER_CONSUME_BATCHES_H
#define LOADER_CONSUME_BATCHES_H

#include "loader/consume/held_reader.h"
#include "loader/load/writer.h"

struct batch_limits {
    uint64_t batch_rows;
    uint64_t batch_bytes;
    uint64_t batch_age_ms;
};

struct batches_setup {
    const struct stream *stream;
    const struct writer *writer;
    struct batch_context context;
    struct batch_limits limits;
    struct loader_metrics *metrics;
};

struct batches {
    struct batches_setup setup;
    struct held_reader held;
    struct batch *filling;
    struct batch *again;          /* came back and was mapped again: goes first */
    struct batch *spent;          /* loaded, to be freed when the next one is under way */
    bool was_slice;               /* what was handed over last */
    int64_t given_received_at_ms; /* of the first record that the writer has; 0: none */
    int64_t idle_since_mono_us;   /* of the writer: while there was more to load; 0: no */
    int64_t given_at_mono_ms;     /* a task, to the writer */
    int64_t look_at_mono_ms;      /* the next look, not before */
};

/* Nothing filled yet. `again` opens the stream of what waited (held_reader.h). */
void batches_init(struct batches *b, const struct batches_setup *setup,
                  const struct held_reader_setup *again);

/* Frees everything; nothing is with the writer. */
void batches_close(struct batches *b);

/* Drops what is not loaded: positions are in doubt. What the writer has is its own. */
void batches_drop(struct batches *b);

/* Takes a record of a partition whose position is `from`. */
void batches_add(struct batches *b, const struct log_record *record, int64_t from);

/* True when the batch takes no more; how long a batch that has records may still wait. */
bool batches_is_full(const struct batches *b);
int64_t batches_age_left_ms(const struct batches *b);

/* True when it is time to look at the database instead (TASK_LOOK), which is then taken
 * for done: at held tables every few seconds, without traffic at the positions. */
bool batches_take_look(struct batches *b);

/* Gives the idle writer what is due: a batch or a slice. */
void batches_hand_over(struct batches *b, const char *cluster_id);

/* For the stop: gives the idle writer what is left of the live records, due or not; false
 * when nothing is. */
bool batches_give_last(struct batches *b, const char *cluster_id);

/* A task's result, of any kind: what it says of tables, ranges and the batch. `has_more`:
 * there is more to load than what the writer has had. The batch is taken. */
void batches_take_result(struct batches *b, struct task_result *r, bool has_more);

/* Frees the batch loaded before, which takes milliseconds: when the writer is busy. */
void batches_free_spent(struct batches *b);

/* Receipt of the oldest record that was taken and is not loaded; 0: there is none. */
int64_t batches_oldest_receipt(const struct batches *b);

#endif

/* fake_durable: the durable port of ingest as a test wants it: keeps what it is handed,
 * and ends it as it was told to. Safe from the server's threads.
 */
#ifndef TESTS_SUPPORT_FAKE_DURABLE_H
#define TESTS_SUPPORT_FAKE_DURABLE_H

#include "ingest/durable/durable.h"

#include <pthread.h>

enum fake_durable_mode {
    FAKE_KEEPS,   /* durable at once */
    FAKE_IS_LATE, /* ends nothing until fake_durable_end_all, or the deadline */
    FAKE_FAILS,   /* each ends as not durable */
    FAKE_IS_AWAY, /* would_take refuses, and take too */
};

#define FAKE_DURABLE_MAX 10000

struct fake_durable {
    pthread_mutex_t lock;
    enum fake_durable_mode mode;
    struct arena arena; /* the records' texts */
    struct record records[FAKE_DURABLE_MAX];
    size_t count;
    struct delivery *open[FAKE_DURABLE_MAX]; /* each held */
    size_t open_count;
    _Atomic unsigned taken;    /* deliveries */
    _Atomic unsigned ended[4]; /* by enum delivery_outcome */
    int64_t ack_timeout_ms;
};

/* On the heap; freed by fake_durable_free, with nothing left open. */
struct fake_durable *fake_durable_new(int64_t ack_timeout_ms);
void fake_durable_free(struct fake_durable *f);

/* Valid until it is freed. */
struct durable fake_durable_port(struct fake_durable *f);

/* Forgets the records and sets the mode. Not while a request is under way. */
void fake_durable_reset(struct fake_durable *f, enum fake_durable_mode mode);

/* Ends what a late one holds. */
void fake_durable_end_all(struct fake_durable *f, bool is_durable);

/* Waits until a late one holds `count` deliveries. */
void fake_durable_wait_open(struct fake_durable *f, size_t count);

#endif

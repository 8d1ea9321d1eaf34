/* pipeline: takes a batch to its commit, whatever happens: the driver of the loader.
 *
 * It steers and holds no data of its own: the sink acts, the mapping transforms, the
 * failure's kind decides what comes next (reliability.md, 3.3): connect again, try again,
 * read the catalogue and map again, divide the batch until the one refused event is alone
 * and reject it, or stop. It returns only when the batch is loaded, the position turns
 * out to be another's, a partition has to stop, or the owner gives up. The writer's
 * thread; may block for as long as the database is away, and asks `pause` meanwhile.
 */
#ifndef LOADER_LOAD_PIPELINE_H
#define LOADER_LOAD_PIPELINE_H

#include "loader/consume/position.h"
#include "loader/load/batch.h"
#include "loader/load/loader_metrics.h"
#include "loader/postgres/sink.h"

#include "common/base/backoff.h"
#include "common/service/log.h"

#include <stdatomic.h>

struct pipeline {
    const struct sink *sink;
    const struct stream *stream; /* only to release records */
    struct batch_context context;
    struct loader_metrics *metrics;
    const char *cluster_id;
    /* Waits up to `ms`; false when the work is to be given up. */
    bool (*pause)(void *context, uint64_t ms);
    void *pause_context;
    struct backoff backoff;
    struct log_outage outage;
    bool is_connected;
    int64_t reopen_at_mono_ms;    /* when tables closed to DDL are read again; 0: none is
                                     closed */
    _Atomic bool is_in_trouble;   /* read by others: the database is away or unwell */
    _Atomic unsigned connections; /* read by others: how often we connected: positions
                                     must be read again */
};

enum pipeline_outcome {
    PIPELINE_DONE,
    PIPELINE_FENCED,   /* BS001: read the positions again */
    PIPELINE_STOPPED,  /* a partition cannot go on: see the result */
    PIPELINE_GIVEN_UP, /* `pause` said so */
};

struct pipeline_result {
    struct sink_interval *loaded; /* what was committed, also when the outcome is not
                                      DONE; freed by pipeline_result_release */
    size_t loaded_count, loaded_capacity;
    const char *stopped_topic;
    int32_t stopped_partition;
    char reason[ERROR_CODE_BYTES + ERROR_TEXT_BYTES];
};

/* Frees what the result owns. */
void pipeline_result_release(struct pipeline_result *r);

/* Loads the batch, which stays the caller's. *result is filled from empty. */
enum pipeline_outcome pipeline_load(struct pipeline *p, struct batch *batch,
                                    struct pipeline_result *result);

/* A partition whose position is to be found. */
struct pipeline_position {
    const char *topic;
    int32_t partition;
    struct position_facts facts; /* in_database is filled here */
    struct position_choice choice;
};

/* Reads the positions and tells the database what it must know (first use, reset). DONE
 * or GIVEN_UP. */
enum pipeline_outcome pipeline_find_positions(struct pipeline *p,
                                              struct pipeline_position *positions,
                                              size_t count);

/* Tries to reach the database, for as long as it takes; false when given up. */
bool pipeline_connect(struct pipeline *p);

#endif

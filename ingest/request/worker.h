/* worker: what a worker thread keeps from request to request: scratch memory, bounded
 * (architecture.md, section 3: 64 KiB and 256 nodes), and what would be looked up again
 * for every request. One thread.
 */
#ifndef INGEST_REQUEST_WORKER_H
#define INGEST_REQUEST_WORKER_H

#include "ingest/events/body_scan.h"
#include "ingest/registry/registry.h"
#include "ingest/request/ingest_metrics.h"

#include "common/base/buf.h"

#include <pthread.h>

/* At most this is kept; the rest is given back when a request ends. */
#define WORKER_KEPT_BODY_BYTES (64u << 10)
#define WORKER_KEPT_NODES 256
#define WORKER_KEPT_ELEMENTS 64
/* All of it: the body, the nodes (40 bytes each), the elements (48), two arenas' blocks
 * (32 KiB each) and decoded keys' (32 KiB). */
#define WORKER_KEPT_BYTES (192u << 10)

struct worker {
    struct registry *registry;
    struct buf body;
    struct arena request; /* texts that live as long as the request */
    struct arena event;   /* texts of one event */
    struct json_doc doc;
    struct body_elements elements;
    /* The sources in force when it was last looked; held. */
    const struct registry_snapshot *snapshot;
    /* The series of the source that was last asked for, of that snapshot. */
    const struct source *series_of;
    struct source_series *series;
    struct source_series *unknown;
    /* Where it waits for a request's end that nobody else answers. */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;
    int outcome; /* enum delivery_outcome */
};

/* Borrows both until it is freed, by the thread that made it. */
struct worker *worker_new(struct registry *registry, struct ingest_metrics *metrics);
void worker_free(struct worker *w);

/* Before a request: the snapshot in force. */
void worker_begin(struct worker *w);

/* After it: what is above the bounds is given back. */
void worker_end(struct worker *w);

/* The series of a source; NULL: of "unknown". */
struct source_series *worker_series(struct worker *w, struct ingest_metrics *metrics,
                                    const struct source *source);

#endif

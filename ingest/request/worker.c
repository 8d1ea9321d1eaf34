#include "ingest/request/worker.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>

struct worker *worker_new(struct registry *registry, struct ingest_metrics *metrics)
{
    struct worker *w = mem_calloc(1, sizeof *w);
    w->registry = registry;
    w->snapshot = registry_acquire(registry);
    w->unknown = ingest_metrics_source(metrics, "unknown");
    pthread_mutex_init(&w->lock, NULL);
    clock_cond_init(&w->ended);
    return w;
}

void worker_free(struct worker *w)
{
    registry_release(w->registry, w->snapshot);
    buf_release(&w->body);
    arena_release(&w->request);
    arena_release(&w->event);
    json_doc_release(&w->doc);
    body_elements_shrink(&w->elements, 0);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void worker_begin(struct worker *w)
{
    if (!registry_is_current(w->registry, w->snapshot)) {
        registry_release(w->registry, w->snapshot);
        w->snapshot = registry_acquire(w->registry);
        w->series_of = NULL;
    }
}

void worker_end(struct worker *w)
{
    buf_shrink(&w->body, WORKER_KEPT_BODY_BYTES);
    arena_reset(&w->request);
    arena_reset(&w->event);
    json_doc_shrink(&w->doc, WORKER_KEPT_NODES);
    body_elements_shrink(&w->elements, WORKER_KEPT_ELEMENTS);
}

struct source_series *worker_series(struct worker *w, struct ingest_metrics *metrics,
                                    const struct source *source)
{
    if (source == NULL) {
        return w->unknown;
    }
    if (w->series_of != source) {
        w->series = ingest_metrics_source(metrics, source->slug);
        w->series_of = source;
    }
    return w->series;
}

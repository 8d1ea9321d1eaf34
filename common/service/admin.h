/* admin: the admin port: /healthz, /readyz, /metrics, and pages a process adds.
 *
 * Its own civetweb context with its own few threads: a busy event port never makes a
 * probe wait. GET and HEAD only; unknown paths 404, other methods 405. /healthz answers
 * 200 while the process turns; /readyz answers 200 or 503 with the reason as text;
 * neither looks at Kafka or PostgreSQL (replicas would go away together). Handlers run on
 * the admin threads, so they must be safe there.
 */
#ifndef COMMON_SERVICE_ADMIN_H
#define COMMON_SERVICE_ADMIN_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/service/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct admin;

struct admin_page {
    const char *path; /* exact match */
    const char *content_type;
    /* Fills `body`; returns the status. */
    int (*write)(void *context, struct buf *body);
    void *context;
};

struct admin_setup {
    const char *listen; /* "127.0.0.1:8081" */
    struct metrics *metrics;
    /* True when ready; otherwise *out_reason is static text saying why not. */
    bool (*is_ready)(void *context, const char **out_reason);
    void *ready_context;
    const struct admin_page *pages; /* may be NULL; must outlive the server */
    size_t page_count;
};

/* Listens and serves until admin_stop; ":PORT" means all IPv4 addresses. FATAL when the
 * address cannot be had: the text names it and says why. */
MUST_CHECK bool admin_start(const struct admin_setup *setup, struct admin **out,
                            struct error *err);

/* The port in force (when 0 was asked for). */
uint16_t admin_port(const struct admin *a);

/* Answers what is under way and frees everything. Blocks for up to two seconds: civetweb
 * looks that often whether it is to end. NULL is allowed. */
void admin_stop(struct admin *a);

#endif

/* accept_setup: what handling requests needs of the process. Everything is borrowed. */
#ifndef INGEST_REQUEST_ACCEPT_SETUP_H
#define INGEST_REQUEST_ACCEPT_SETUP_H

#include "ingest/durable/durable.h"
#include "ingest/registry/registry.h"
#include "ingest/request/ingest_metrics.h"

struct accept_setup {
    const char *trusted_proxies;  /* CIDRs, comma-separated; NULL: none. Checked before */
    const char *public_url;       /* NULL: unknown */
    uint64_t request_deadline_ms; /* from the last body byte to the answer */
    uint64_t body_timeout_ms;
    uint64_t max_body_bytes;
    uint64_t max_event_bytes;
    struct registry *registry;
    struct durable durable;
    struct budget *budget;
    struct ingest_metrics *metrics;
};

#endif

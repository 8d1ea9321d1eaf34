/* body: reads a request's body whole, within its limits: bytes, inflated bytes, time, and
 * the process's byte budget.
 *
 * Received bytes are charged to the budget, not announced ones, and memory grows with
 * them. Content-Encoding gzip is inflated when it is there, with the same byte limit on
 * the result and, above 1 MiB, a ratio limit of 100:1. One thread per body.
 */
#ifndef INGEST_HTTP_BODY_H
#define INGEST_HTTP_BODY_H

#include "ingest/http/http_exchange.h"

#include "common/base/budget.h"
#include "common/base/buf.h"

enum body_result {
    BODY_READ,
    BODY_TOO_LARGE,    /* 413; the beginning is in `out` */
    BODY_TOO_SLOW,     /* 503 and close */
    BODY_NO_ROOM,      /* budget: 503 */
    BODY_MALFORMED,    /* 400 and close: its chunks; *err says what */
    BODY_BAD_GZIP,     /* 400: it is no whole gzip; `out` has it as it was sent */
    BODY_BAD_ENCODING, /* 415: a Content-Encoding we do not know; likewise */
    BODY_CLIENT_GONE,  /* 400: ended before its announced length */
};

struct body_limits {
    uint64_t max_bytes; /* of the body, and of what is inflated from it */
    int64_t deadline_mono_ms;
    /* Of the beginning of a body that is announced too large: it is answered at once,
     * with what came of it so far. */
    int64_t too_large_deadline_mono_ms;
    struct budget *budget;
    size_t kept_bytes; /* how much of a body that is too large is kept */
};

/* Where a body comes from: a port, so that tests pass bodies without a connection. */
struct body_source {
    int64_t content_length; /* -1: none announced */
    struct view encoding;   /* Content-Encoding; empty when absent */
    /* As http_read. */
    int64_t (*read)(void *context, char *into, size_t size, int64_t deadline_mono_ms,
                    struct error *err);
    void *context;
};

/* Reads into `out` (no maximum of its own; cleared first). What was charged to the budget
 * is added to *charged, whatever the result; the caller gives it back when the request
 * ends. */
enum body_result body_read_from(const struct body_source *source,
                                const struct body_limits *limits, struct buf *out,
                                uint64_t *charged, struct error *err);

/* The same from a request. */
enum body_result body_read(struct http_exchange *e, const struct http_request *request,
                           const struct body_limits *limits, struct buf *out,
                           uint64_t *charged, struct error *err);

#endif

/* ingest_bed: ingest from its HTTP server to the durable port, which is a fake: real
 * civetweb, real registry. Sources: shop (write key "wk", token "tok", secret "sec"),
 * slow (one event a second, "slowkey", "slowtok"), open (requires nothing), strict
 * (requires token "tok" and a signature with "sec").
 */
#ifndef TESTS_SUPPORT_INGEST_BED_H
#define TESTS_SUPPORT_INGEST_BED_H

#include "ingest/request/accept.h"

#include "tests/support/fake_durable.h"
#include "tests/support/http_client.h"

#include "common/base/budget.h"

#define INGEST_BED_ACK_TIMEOUT_MS 200
#define INGEST_BED_MAX_BODY_BYTES (3u << 20)
#define INGEST_BED_MAX_EVENT_BYTES (256u << 10)
#define INGEST_BED_BUDGET_BYTES (32u << 20)
#define INGEST_BED_THREADS 4

/* The Basic credentials "wk:" and "slowkey:", and the token. */
#define KEY "Authorization: Basic d2s6\r\n"
#define SLOW_KEY "Authorization: Basic c2xvd2tleTo=\r\n"
#define TOKEN "Authorization: Bearer tok\r\n"

struct ingest_bed {
    char path[64]; /* of the registry */
    struct accept_setup setup;
    struct registry *registry;
    struct ingest_metrics *metrics;
    struct budget budget;
    struct fake_durable *durable;
    struct accept *accept;
    struct http_server *server;
    struct buf request;
    struct http_answer answer; /* the last one of ingest_bed_exchange */
};

/* Fixtures of cmocka. Stopping fails unless the whole budget is back. */
int ingest_bed_start(void **state);
int ingest_bed_stop(void **state);

/* One request on a connection of its own; the status. `line` is "POST /path". */
int ingest_bed_exchange(struct ingest_bed *b, const char *line, const char *headers,
                        struct view body);

#endif

#include "tests/support/ingest_bed.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char registry_text[] =
    "{\"sources\":[{\"name\":\"Shop\",\"slug\":\"shop\",\"schema\":\"shop_schema\","
    "\"write_keys\":[\"wk\"],\"tokens\":[\"tok\"],\"secrets\":[\"sec\"]},"
    "{\"name\":\"Slow\",\"slug\":\"slow\",\"schema\":\"slow\",\"write_keys\":["
    "\"slowkey\"],"
    "\"tokens\":[\"slowtok\"],\"secrets\":[],\"rate_per_second\":1},"
    "{\"name\":\"Open\",\"slug\":\"open\",\"schema\":\"open\",\"write_keys\":[],"
    "\"tokens\":[],\"secrets\":[],\"require\":\"none\"},"
    "{\"name\":\"Strict\",\"slug\":\"strict\",\"schema\":\"strict\",\"write_keys\":[],"
    "\"tokens\":[\"tok\"],\"secrets\":[\"sec\"],\"require\":\"all\"}]}";

static void write_registry(struct ingest_bed *b)
{
    snprintf(b->path, sizeof b->path, "/tmp/ingest_bed.XXXXXX");
    int fd = mkstemp(b->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, registry_text, sizeof registry_text - 1),
                     sizeof registry_text - 1);
    close(fd);
}

int ingest_bed_start(void **state)
{
    struct ingest_bed *b = mem_calloc(1, sizeof *b);
    struct error err;
    *state = b;
    write_registry(b);
    assert_true(registry_open(b->path, &b->registry, &err));
    b->metrics = ingest_metrics_new();
    budget_init(&b->budget, INGEST_BED_BUDGET_BYTES);
    b->durable = fake_durable_new(INGEST_BED_ACK_TIMEOUT_MS);
    b->setup = (struct accept_setup){ .request_deadline_ms = 4000,
                                      .body_timeout_ms = 1000,
                                      .max_body_bytes = INGEST_BED_MAX_BODY_BYTES,
                                      .max_event_bytes = INGEST_BED_MAX_EVENT_BYTES,
                                      .registry = b->registry,
                                      .durable = fake_durable_port(b->durable),
                                      .budget = &b->budget,
                                      .metrics = b->metrics };
    b->accept = accept_new(&b->setup);
    struct http_server_setup http = { .listen = "127.0.0.1:0",
                                      .threads = INGEST_BED_THREADS,
                                      .read_timeout_ms = 1000,
                                      .keep_alive_ms = 15000,
                                      .handle = accept_handle,
                                      .context = b->accept,
                                      .new_worker = accept_new_worker,
                                      .free_worker = accept_free_worker };
    assert_true(http_server_start(&http, &b->server, &err));
    return 0;
}

int ingest_bed_stop(void **state)
{
    struct ingest_bed *b = *state;
    http_server_stop(b->server);
    fake_durable_end_all(b->durable, false);
    assert_int_equal(budget_used(&b->budget), 0);
    accept_free(b->accept);
    registry_close(b->registry);
    ingest_metrics_free(b->metrics);
    fake_durable_free(b->durable);
    buf_release(&b->request);
    http_answer_release(&b->answer);
    unlink(b->path);
    free(b);
    return 0;
}

/* One request on a connection of its own; the status. */
int ingest_bed_exchange(struct ingest_bed *b, const char *line, const char *headers,
                        struct view body)
{
    buf_clear(&b->request);
    buf_printf(&b->request, "%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n",
               line, headers, body.len);
    buf_add_view(&b->request, body);
    http_answer_release(&b->answer);
    return http_client_exchange(http_server_port(b->server), buf_view(&b->request),
                                &b->answer);
}

#include "tests/support/http_bed.h"

#include "ingest/http/body.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/contract/reject_reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BUDGET_BYTES (64u << 20)
#define SMALL_BUDGET_BYTES 200000

/* A body that was not read whole leaves the connection in no state to go on. */
static void answer(struct http_exchange *e, int status, uint64_t number)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    struct http_reply reply = { .status = status,
                                .body = view_of(text, (size_t)len),
                                .headers = VIEW_LITERAL("X-Extra: yes\r\n"),
                                .must_close = status != 200 };
    http_reply(e, &reply);
}

static void keep_body(struct http_bed *f, struct view body)
{
    pthread_mutex_lock(&f->lock);
    buf_clear(&f->body);
    buf_add_view(&f->body, body);
    pthread_mutex_unlock(&f->lock);
}

static void read_whole(struct http_bed *f, struct http_exchange *e,
                       const struct http_request *request, int64_t patience_ms)
{
    static const int statuses[] = {
        [BODY_READ] = 200,         [BODY_TOO_LARGE] = 413,  [BODY_TOO_SLOW] = 503,
        [BODY_NO_ROOM] = 503,      [BODY_MALFORMED] = 400,  [BODY_BAD_GZIP] = 400,
        [BODY_BAD_ENCODING] = 415, [BODY_CLIENT_GONE] = 400
    };
    int64_t deadline = clock_mono_ms() + patience_ms;
    struct body_limits limits = { HTTP_BED_MAX_BODY, deadline, deadline, &f->budget,
                                  REJECT_KEPT_BYTES };
    struct buf body = { 0 };
    uint64_t charged = 0;
    struct error err;
    enum body_result result = body_read(e, request, &limits, &body, &charged, &err);
    keep_body(f, buf_view(&body));
    atomic_store(&f->last_result, (int)result);
    budget_give(&f->budget, charged); /* before the answer: the next request may follow */
    answer(e, statuses[result], body.len);
    buf_release(&body);
}

static void read_bytes(struct http_bed *f, struct http_exchange *e)
{
    char bytes[7];
    struct error err;
    struct buf body = { 0 };
    int64_t n;
    while ((n = http_read(e, bytes, sizeof bytes,
                          clock_mono_ms() + HTTP_CLIENT_PATIENCE_MS, &err)) > 0) {
        buf_add(&body, bytes, (size_t)n);
    }
    keep_body(f, buf_view(&body));
    atomic_store(&f->last_error_class, n < 0 ? (int)err.class : -1);
    answer(e, n < 0 ? 400 : 200, body.len);
    buf_release(&body);
}

static void handle(void *context, struct http_exchange *e,
                   const struct http_request *request)
{
    struct http_bed *f = context;
    atomic_fetch_add(&f->seen, 1);
    REQUIRE(http_worker(e) == f);
    if (view_equal_cstr(request->path, "/early")) {
        answer(e, 413, 0);
    } else if (view_equal_cstr(request->path, "/bytes")) {
        read_bytes(f, e);
    } else if (view_equal_cstr(request->path, "/hold")) {
        while (!atomic_load(&f->is_let_go)) {
            struct timespec pause = { 0, 1000000 };
            nanosleep(&pause, NULL);
        }
        answer(e, 200, 0);
    } else {
        bool is_hurried = view_equal_cstr(request->path, "/hurry");
        read_whole(f, e, request,
                   is_hurried ? HTTP_BED_HURRY_MS : HTTP_CLIENT_PATIENCE_MS);
    }
    atomic_fetch_add(&f->handled, 1);
}

static void *new_worker(void *context)
{
    struct http_bed *f = context;
    atomic_fetch_add(&f->workers, 1);
    return f;
}

static void free_worker(void *worker)
{
    struct http_bed *f = worker;
    atomic_fetch_sub(&f->workers, 1);
}

static int start(void **state, uint64_t budget)
{
    struct http_bed *f = calloc(1, sizeof *f);
    struct error err;
    struct http_server_setup setup = { .listen = "127.0.0.1:0",
                                       .threads = HTTP_BED_THREADS,
                                       .read_timeout_ms = HTTP_BED_READ_TIMEOUT_MS,
                                       .keep_alive_ms = 15000,
                                       .handle = handle,
                                       .context = f,
                                       .new_worker = new_worker,
                                       .free_worker = free_worker };
    budget_init(&f->budget, budget);
    pthread_mutex_init(&f->lock, NULL);
    atomic_init(&f->last_result, -1);
    atomic_init(&f->last_error_class, -1);
    if (!http_server_start(&setup, &f->server, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    *state = f;
    return 0;
}

int http_bed_start(void **state)
{
    return start(state, BUDGET_BYTES);
}

int http_bed_start_small(void **state)
{
    return start(state, SMALL_BUDGET_BYTES);
}

int http_bed_stop(void **state)
{
    struct http_bed *f = *state;
    atomic_store(&f->is_let_go, true);
    http_server_stop(f->server);
    int failures = budget_used(&f->budget) != 0 || atomic_load(&f->workers) != 0;
    pthread_mutex_destroy(&f->lock);
    buf_release(&f->body);
    free(f);
    return failures;
}

int http_bed_begin(void **state)
{
    struct http_bed *f = *state;
    int64_t deadline = clock_mono_ms() + HTTP_CLIENT_PATIENCE_MS;
    while (http_server_load(f->server) != 0) {
        if (clock_mono_ms() > deadline) {
            print_error("the last test's connections stay\n");
            return -1;
        }
        struct timespec pause = { 0, 1000000 };
        nanosleep(&pause, NULL);
    }
    atomic_store(&f->seen, 0);
    atomic_store(&f->handled, 0);
    atomic_store(&f->last_result, -1);
    atomic_store(&f->last_error_class, -1);
    atomic_store(&f->is_let_go, false);
    return budget_used(&f->budget) == 0 ? 0 : -1;
}

uint16_t http_bed_port(const struct http_bed *f)
{
    return http_server_port(f->server);
}

void http_bed_wait_for(const _Atomic unsigned *counter, unsigned value)
{
    int64_t deadline = clock_mono_ms() + HTTP_CLIENT_PATIENCE_MS;
    while (atomic_load(counter) < value) {
        assert_true(clock_mono_ms() < deadline);
        struct timespec pause = { 0, 1000000 };
        nanosleep(&pause, NULL);
    }
}

void http_bed_assert_body(struct http_bed *f, struct view expected)
{
    pthread_mutex_lock(&f->lock);
    bool is_equal = view_equal(buf_view(&f->body), expected);
    size_t len = f->body.len;
    pthread_mutex_unlock(&f->lock);
    if (!is_equal) {
        fail_msg("the handler read %zu other bytes, expected %zu", len, expected.len);
    }
}

void http_bed_assert_header(const struct http_answer *a, const char *name,
                            const char *value)
{
    struct view found = { NULL, 0 };
    if (!http_answer_header(a, name, &found) || !view_equal_cstr(found, value)) {
        fail_msg("%s is '%.*s', expected '%s'", name, VIEW_ARG(found), value);
    }
}

void http_bed_exchange(struct http_client *c, const char *request, int status,
                       bool closes)
{
    struct http_answer a;
    http_client_send(c, request);
    assert_true(http_client_receive(c, true, &a));
    if (a.status != status) {
        fail_msg("%.60s..: %d instead of %d", request, a.status, status);
    }
    http_bed_assert_header(&a, "Connection", closes ? "close" : "keep-alive");
    http_answer_release(&a);
}

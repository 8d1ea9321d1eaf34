/* The admin port over real sockets. */
#include "tests/support/contains.h"

#include "common/service/admin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct metric_desc table[] = {
    { "t_scrapes_total", METRIC_COUNTER, { NULL }, "Scrapes.", NULL },
};

static struct metrics *registry;
static struct admin *server;
static atomic_bool is_ready_now;

static bool is_ready(void *context, const char **out_reason)
{
    assert_ptr_equal(context, &is_ready_now);
    if (!atomic_load(&is_ready_now)) {
        *out_reason = "registry not loaded";
    }
    return atomic_load(&is_ready_now);
}

static int write_page(void *context, struct buf *body)
{
    buf_add_cstr(body, context);
    return 503;
}

static char page_text[] = "{\"page\":1}";
static const struct admin_page pages[] = {
    { "/page", "application/json", write_page, page_text },
};

static struct admin_setup setup_for(const char *listen)
{
    return (struct admin_setup){ .listen = listen,
                                 .metrics = registry,
                                 .is_ready = is_ready,
                                 .ready_context = &is_ready_now,
                                 .pages = pages,
                                 .page_count = 1 };
}

/* One server for all tests: civetweb takes up to two seconds to stop. */
static int start_server(void **state)
{
    (void)state;
    registry = metrics_new("backstitch-test", table, 1);
    struct admin_setup setup = setup_for("127.0.0.1:0");
    struct error err;
    return admin_start(&setup, &server, &err) && admin_port(server) != 0 ? 0 : -1;
}

static int stop_server(void **state)
{
    (void)state;
    admin_stop(server);
    admin_stop(NULL);
    metrics_free(registry);
    return 0;
}

/* Sends `request` and reads until the server closes. */
static void exchange(const char *request, struct buf *answer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(admin_port(server)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    buf_clear(answer);
    char chunk[4096];
    ssize_t got = read(fd, chunk, sizeof chunk);
    while (got > 0) {
        buf_add(answer, chunk, (size_t)got);
        got = read(fd, chunk, sizeof chunk);
    }
    (void)close(fd);
}

static void check(const char *request_line, const char *status, const char *head,
                  const char *body)
{
    char request[256];
    struct buf answer = { 0 };
    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", request_line);
    exchange(request, &answer);
    const char *text = buf_cstr(&answer);
    const char *end = strstr(text, "\r\n\r\n");
    if (strncmp(text, status, strlen(status)) != 0 || strstr(text, head) == NULL ||
        end == NULL || strcmp(end + 4, body) != 0) {
        fail_msg("%s: unexpected answer: %s", request_line, text);
    }
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    buf_release(&answer);
}

static void test_paths_methods_and_their_answers(void **state)
{
    (void)state;
    atomic_store(&is_ready_now, true);
    check("GET /healthz", "HTTP/1.1 200 OK\r\n", "Content-Length: 3\r\n", "ok\n");
    check("GET /healthz?verbose=1", "HTTP/1.1 200 OK\r\n", "text/plain; charset=utf-8",
          "ok\n");
    check("HEAD /healthz", "HTTP/1.1 200 OK\r\n", "Content-Length: 3\r\n", "");
    check("GET /readyz", "HTTP/1.1 200 OK\r\n", "", "ready\n");
    check("GET /page", "HTTP/1.1 503 Service Unavailable\r\n", "application/json",
          page_text);
    check("GET /", "HTTP/1.1 404 Not Found\r\n", "", "not found\n");
    check("GET /healthz/", "HTTP/1.1 404 Not Found\r\n", "", "not found\n");
    check("GET /metrics/../healthz", "HTTP/1.1 200 OK\r\n", "", "ok\n");
    check("POST /nothing", "HTTP/1.1 404 Not Found\r\n", "", "not found\n");
    check("POST /healthz", "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n",
          "only GET and HEAD\n");
    check("DELETE /page", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n", "only GET and HEAD\n");
    check("PUT /metrics", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n", "only GET and HEAD\n");
    check("OPTIONS /metrics", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n",
          "only GET and HEAD\n");
}

static void test_readiness_says_why_not(void **state)
{
    (void)state;
    atomic_store(&is_ready_now, false);
    check("GET /readyz", "HTTP/1.1 503 Service Unavailable\r\n", "",
          "registry not loaded\n");
    check("GET /healthz", "HTTP/1.1 200 OK\r\n", "", "ok\n");
    atomic_store(&is_ready_now, true);
    check("GET /readyz", "HTTP/1.1 200 OK\r\n", "", "ready\n");
}

static void test_metrics_are_in_the_text_format(void **state)
{
    (void)state;
    struct buf answer = { 0 };
    metric_add(metrics_series(registry, 0, NULL, NULL, NULL), 1);
    exchange("GET /metrics HTTP/1.0\r\n\r\n", &answer);
    assert_non_null(strstr(buf_cstr(&answer),
                           "\r\nContent-Type: text/plain; version=0.0.4; "
                           "charset=utf-8\r\n"));
    assert_non_null(
        strstr(buf_cstr(&answer), "# TYPE t_scrapes_total counter\nt_scrapes_total 1\n"));
    assert_non_null(strstr(buf_cstr(&answer), "\nprocess_resident_memory_bytes "));
    buf_release(&answer);
}

static void test_what_is_no_request_does_not_end_the_server(void **state)
{
    (void)state;
    struct buf answer = { 0 };
    exchange("\x16\x03\x01 nonsense\r\n\r\n", &answer);
    exchange("GET\r\n\r\n", &answer);
    check("GET /healthz", "HTTP/1.1 200 OK\r\n", "", "ok\n");
    buf_release(&answer);
}

static void test_an_address_that_cannot_be_had_is_named_with_the_reason(void **state)
{
    (void)state;
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", (unsigned)admin_port(server));
    const struct {
        const char *listen;
        const char *told;
    } cases[] = {
        { taken, "Address already in use" },
        { "192.0.2.1:0", "Cannot assign requested address" }, /* TEST-NET: nobody's */
        { "no-such-host.invalid:0", "no-such-host.invalid:0" },
        { "nonsense", "port missing" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct admin_setup setup = setup_for(cases[i].listen);
        struct admin *second = NULL;
        struct error err;
        assert_false(admin_start(&setup, &second, &err));
        assert_null(second);
        assert_int_equal(err.class, ERROR_FATAL);
        assert_contains(err.text, cases[i].listen);
        assert_contains(err.text, cases[i].told);
    }
}

static void test_names_and_all_addresses_can_be_listened_on(void **state)
{
    (void)state;
    static const char *const listens[] = { "localhost:0", ":0" };
    for (size_t i = 0; i < sizeof listens / sizeof listens[0]; i++) {
        struct admin_setup setup = setup_for(listens[i]);
        struct admin *first = server;
        struct error err;
        assert_true(admin_start(&setup, &server, &err));
        check("GET /healthz", "HTTP/1.1 200 OK\r\n", "", "ok\n");
        admin_stop(server);
        server = first;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_methods_and_their_answers),
        cmocka_unit_test(test_readiness_says_why_not),
        cmocka_unit_test(test_metrics_are_in_the_text_format),
        cmocka_unit_test(test_what_is_no_request_does_not_end_the_server),
        cmocka_unit_test(test_an_address_that_cannot_be_had_is_named_with_the_reason),
        cmocka_unit_test(test_names_and_all_addresses_can_be_listened_on),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}

/* Metrics: what Prometheus reads, and that threads lose no count. */
#include "tests/support/contains.h"

#include "common/service/metrics.h"

#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ACCEPTED, REFUSED, DEPTH, LATENCY, BY_ROUTE, METRIC_COUNT };

static const double bounds[] = { 0.005, 0.1, 1, 0 };

static const struct metric_desc table[METRIC_COUNT] = {
    [ACCEPTED] = { "t_accepted_total",
                   METRIC_COUNTER,
                   { NULL },
                   "Events accepted.",
                   NULL },
    [REFUSED] = { "t_refused_total",
                  METRIC_COUNTER,
                  { "source", "reason" },
                  "Refused.",
                  NULL },
    [DEPTH] = { "t_depth", METRIC_GAUGE, { NULL }, "Queue depth.", NULL },
    [LATENCY] = { "t_latency_seconds", METRIC_HISTOGRAM, { NULL }, "Latency.", bounds },
    [BY_ROUTE] = { "t_by_route_seconds",
                   METRIC_HISTOGRAM,
                   { "route" },
                   "By route.",
                   bounds },
};

static struct metrics *registry;

static int set_up(void **state)
{
    (void)state;
    registry = metrics_new("backstitch-test", table, METRIC_COUNT);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    metrics_free(registry);
    metrics_free(NULL);
    return 0;
}

static struct metric_series *plain(size_t id)
{
    return metrics_series(registry, id, NULL, NULL, NULL);
}

static void assert_exposed(const char *lines)
{
    struct buf out = { 0 };
    metrics_write(registry, &out);
    assert_contains(buf_cstr(&out), lines);
    buf_release(&out);
}

static void test_what_never_counted_shows_zero(void **state)
{
    (void)state;
    assert_exposed("# HELP t_accepted_total Events accepted.\n"
                   "# TYPE t_accepted_total counter\n"
                   "t_accepted_total 0\n");
    assert_exposed("# TYPE t_depth gauge\nt_depth 0\n");
    assert_exposed("t_latency_seconds_count 0\n");
}

static void test_counters_and_gauges_show_their_value(void **state)
{
    (void)state;
    metric_add(plain(ACCEPTED), 9007199254740991.0);
    metric_set(plain(DEPTH), 3);
    metric_add(plain(DEPTH), -1.9);
    assert_exposed("t_accepted_total 9007199254740991\n");
    assert_exposed("t_depth 1.1\n");
    assert_true(metric_value(plain(ACCEPTED)) == 9007199254740991.0);
    metric_set(plain(DEPTH), (double)NAN);
    assert_exposed("t_depth NaN\n");
    metric_set(plain(DEPTH), (double)-INFINITY);
    assert_exposed("t_depth -Inf\n");
    metric_set(plain(DEPTH), 1.0 / 3.0);
    assert_exposed("t_depth 0.3333333333333333\n");
}

static void test_label_values_are_escaped(void **state)
{
    (void)state;
    metric_add(metrics_series(registry, REFUSED, "a\"b\\c\nd\xff", "\xc3\xa4", NULL), 2);
    assert_exposed("t_refused_total{source=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\","
                   "reason=\"\xc3\xa4\"} 2\n");
}

static void test_the_same_values_are_the_same_series(void **state)
{
    (void)state;
    struct metric_series *first = metrics_series(registry, REFUSED, "a", "b", NULL);
    assert_ptr_equal(metrics_series(registry, REFUSED, "a", "b", NULL), first);
    assert_ptr_not_equal(metrics_series(registry, REFUSED, "b", "a", NULL), first);
    assert_ptr_not_equal(metrics_series(registry, REFUSED, "ab", "", NULL), first);
}

static void test_buckets_are_cumulative_and_end_in_infinity(void **state)
{
    (void)state;
    static const double observed[] = { 0.001, 0.005, 0.0051, 0.5, 1, 2, 1000 };
    for (size_t i = 0; i < sizeof observed / sizeof observed[0]; i++) {
        metric_observe(plain(LATENCY), observed[i]);
    }
    metric_observe(metrics_series(registry, BY_ROUTE, "/v1/batch", NULL, NULL), 0.25);
    assert_exposed("# TYPE t_latency_seconds histogram\n"
                   "t_latency_seconds_bucket{le=\"0.005\"} 2\n"
                   "t_latency_seconds_bucket{le=\"0.1\"} 3\n"
                   "t_latency_seconds_bucket{le=\"1\"} 5\n"
                   "t_latency_seconds_bucket{le=\"+Inf\"} 7\n"
                   "t_latency_seconds_sum 1003.5111\n"
                   "t_latency_seconds_count 7\n");
    assert_exposed("t_by_route_seconds_bucket{route=\"/v1/batch\",le=\"+Inf\"} 1\n"
                   "t_by_route_seconds_sum{route=\"/v1/batch\"} 0.25\n"
                   "t_by_route_seconds_count{route=\"/v1/batch\"} 1\n");
}

static void test_beyond_the_limit_values_share_a_series(void **state)
{
    (void)state;
    char value[32];
    for (int i = 0; i < METRICS_MAX_SERIES; i++) {
        snprintf(value, sizeof value, "v%d", i);
        metric_add(metrics_series(registry, REFUSED, value, "r", NULL), 1);
    }
    struct metric_series *kept = metrics_series(registry, REFUSED, "v0", "r", NULL);
    struct metric_series *other = metrics_series(registry, REFUSED, "new", "r", NULL);
    assert_ptr_not_equal(kept, other);
    assert_ptr_equal(metrics_series(registry, REFUSED, "newer", "r", NULL), other);
    metric_add(other, 5);
    assert_exposed("t_refused_total{source=\"other\",reason=\"other\"} 5\n");
}

static void refresh_depth(void *context)
{
    metric_add(metrics_series(registry, DEPTH, NULL, NULL, NULL),
               *(const double *)context);
}

static void test_a_scrape_refreshes_first(void **state)
{
    (void)state;
    double step = 2;
    metrics_on_scrape(registry, refresh_depth, &step);
    assert_exposed("t_depth 2\n");
    assert_exposed("t_depth 4\n");
}

static void test_process_figures_are_there(void **state)
{
    (void)state;
    assert_exposed("build_info{program=\"backstitch-test\",version=\"" BACKSTITCH_VERSION
                   "\"} 1\n");
    static const char *const names[] = {
        "process_cpu_seconds_total",
        "process_virtual_memory_bytes",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    };
    struct buf out = { 0 };
    metrics_write(registry, &out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[80];
        snprintf(line, sizeof line, "\n%s ", names[i]);
        const char *found = strstr(buf_cstr(&out), line);
        assert_non_null(found);
        assert_true(strtod(found + strlen(line), NULL) >= 0);
    }
    buf_release(&out);
}

static void assert_matches(const regex_t *pattern, const char *line)
{
    if (regexec(pattern, line, 0, NULL, 0) != 0) {
        fail_msg("not of the format: %s", line);
    }
}

/* The grammar of text format 0.0.4, as promtool has it: every line is a comment we know
 * or a sample. */
static void test_every_line_is_of_the_text_format(void **state)
{
    (void)state;
    metric_add(metrics_series(registry, REFUSED, "a,b}", "c", NULL), 1);
    struct buf out = { 0 };
    metrics_write(registry, &out);
    assert_int_equal(out.data[out.len - 1], '\n');
    (void)buf_cstr(&out);
    regex_t sample;
    assert_int_equal(
        regcomp(&sample,
                "^(# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+|"
                "[a-zA-Z_:][a-zA-Z0-9_:]*([{]([a-z_]+=\"([^\"\\]|\\\\.)*\",?)+[}])? "
                "([-+0-9.e]+|NaN|[-+]Inf))$",
                REG_EXTENDED | REG_NOSUB),
        0);
    for (char *line = strtok(out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_matches(&sample, line);
    }
    regfree(&sample);
    buf_release(&out);
}

#define THREADS 4
#define ROUNDS 20000

static void *count_up(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(plain(ACCEPTED), 1);
        metric_observe(plain(LATENCY), 0.5);
    }
    return unused;
}

static void test_threads_lose_no_count_while_a_scrape_reads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (int i = 0; i < 20; i++) {
        struct buf out = { 0 };
        metrics_write(registry, &out);
        buf_release(&out);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(metric_value(plain(ACCEPTED)) == THREADS * ROUNDS);
    assert_exposed("t_latency_seconds_bucket{le=\"0.1\"} 0\n"
                   "t_latency_seconds_bucket{le=\"1\"} 80000\n"
                   "t_latency_seconds_bucket{le=\"+Inf\"} 80000\n"
                   "t_latency_seconds_sum 40000\n"
                   "t_latency_seconds_count 80000\n");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_what_never_counted_shows_zero),
        FRESH(test_counters_and_gauges_show_their_value),
        FRESH(test_label_values_are_escaped),
        FRESH(test_the_same_values_are_the_same_series),
        FRESH(test_buckets_are_cumulative_and_end_in_infinity),
        FRESH(test_beyond_the_limit_values_share_a_series),
        FRESH(test_a_scrape_refreshes_first),
        FRESH(test_process_figures_are_there),
        FRESH(test_every_line_is_of_the_text_format),
        FRESH(test_threads_lose_no_count_while_a_scrape_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* bench_map_event: what mapping one event costs, beside the scan that is part of it.
 *
 * usage: bench_map_event EVENT.json..   (a record of a webhook each; default: the track
 * events of tests/data/events). Prints nanoseconds of CPU time per event: minimum, median
 * and maximum of RUNS runs, for the scan alone (the reference), for a batch as the loader
 * maps it (one plan, one mapper, the arena reset every BATCH events), and for events
 * whose keys are all new.
 */
#include "tests/support/mapping_fixture.h"

#include "common/base/mem.h"
#include "common/contract/json_doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS 7
#define EVENTS 20000
#define COLD_EVENTS 300
#define BATCH 1000
#define NS_PER_SECOND 1e9

typedef double (*measure_fn)(struct view event);

static double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * NS_PER_SECOND + (double)now.tv_nsec;
}

static double measure_scan(struct view event)
{
    struct json_doc doc;
    struct json_fault fault;
    const struct json_limits limits = { JSON_MAX_DEPTH, JSON_MAX_KEYS, JSON_ALL_DEPTHS };
    memset(&doc, 0, sizeof(doc));
    double start = cpu_ns();
    for (int i = 0; i < EVENTS; i++) {
        REQUIRE(json_doc_scan(&doc, event, &limits, &fault));
    }
    double spent = cpu_ns() - start;
    json_doc_release(&doc);
    return spent / EVENTS;
}

static double map_many(struct view event, int events, bool are_keys_new)
{
    static const char *const ignored[] = { "integrations", "_metadata", "writeKey",
                                           NULL };
    struct mapping_options options = { ignored, NULL };
    struct table *table = fixture_table(EVENT_TRACK, NULL, 0, false);
    struct table_plan *plan = table_plan_new(table, 800);
    struct mapper *m = mapper_new(&options);
    struct record r = fixture_record(EVENT_TRACK, event);
    struct map_result result;
    struct arena arena;
    arena_init(&arena);
    double spent = 0;
    for (int i = 0; i < events; i++) {
        double start = are_keys_new ? cpu_ns() : 0; /* reading it is a system call */
        map_event(m, &r, plan, MAP_NORMAL, &arena, &result);
        spent += are_keys_new ? cpu_ns() - start : 0;
        REQUIRE(result.outcome == MAP_ROW);
        if (are_keys_new) {
            mapper_free(m);
            m = mapper_new(&options);
        }
        if (i % BATCH == BATCH - 1) {
            arena_reset(&arena);
        }
    }
    arena_release(&arena);
    mapper_free(m);
    table_plan_free(plan);
    table_unref(table);
    return spent / events;
}

static double measure_map(struct view event)
{
    double start = cpu_ns();
    (void)map_many(event, EVENTS, false);
    return (cpu_ns() - start) / EVENTS;
}

static double measure_cold(struct view event)
{
    return map_many(event, COLD_EVENTS, true);
}

static int by_value(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;
    return (*left > *right) - (*left < *right);
}

static double report(const char *what, measure_fn measure, struct view event)
{
    double ns[RUNS];
    for (int i = 0; i < RUNS; i++) {
        ns[i] = measure(event);
    }
    qsort(ns, RUNS, sizeof(ns[0]), by_value);
    (void)printf("  %-10s min %8.0f  median %8.0f  max %8.0f ns/event\n", what, ns[0],
                 ns[RUNS / 2], ns[RUNS - 1]);
    return ns[RUNS / 2];
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    for (int c = getc(file); c != EOF; c = getc(file)) {
        buf_add_char(out, (char)c);
    }
    (void)fclose(file);
    return true;
}

static bool bench_file(const char *path)
{
    struct buf event;
    buf_init(&event, 0);
    if (!read_file(path, &event)) {
        return false;
    }
    (void)printf("%s: %zu bytes\n", path, event.len);
    double scan = report("scan", measure_scan, buf_view(&event));
    double map = report("map", measure_map, buf_view(&event));
    (void)report("new keys", measure_cold, buf_view(&event));
    (void)printf("  map / scan: %.2f\n", map / scan);
    buf_release(&event);
    return true;
}

int main(int argc, char **argv)
{
    static const char *const defaults[] = {
        TEST_DATA_DIR "/events/track_analytics_next.json",
        TEST_DATA_DIR "/events/track_webhook.json",
    };
    bool is_done = true;
    for (size_t i = 0; argc < 2 && i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        is_done = bench_file(defaults[i]) && is_done;
    }
    for (int i = 1; i < argc; i++) {
        is_done = bench_file(argv[i]) && is_done;
    }
    return is_done ? 0 : 1;
}

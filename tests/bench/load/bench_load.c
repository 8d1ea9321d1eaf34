/* The load generator of the benches: closed or open loop, bounded in time and, for the
 * open loop, in count. usage: bench_load ADDRESS:PORT REQUESTS [--connections N]
 * [--seconds S] [--rate N/s] [--threads N] [--timeout S] [--close] Prints one JSON
 * object; times are microseconds, those of the run count from its start. */
#include "tests/bench/load/worker.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MOST_THREADS 16
#define LEAD_US 300000 /* connections are opened before the first request is due */

struct job {
    pthread_t thread;
    struct worker_plan plan;
    struct worker_result result;
};

struct settings {
    struct worker_plan plan; /* of all threads together */
    const char *requests_file;
    double seconds;
    unsigned threads;
};

static bool parse_server(const char *text, struct sockaddr_in *out)
{
    char host[64];
    unsigned port;
    *out = (struct sockaddr_in){ .sin_family = AF_INET };
    if (sscanf(text, "%63[^:]:%u", host, &port) != 2 || port > 65535) {
        return false;
    }
    out->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static bool parse(int argc, char **argv, struct settings *s)
{
    static const struct option options[] = {
        { "connections", required_argument, NULL, 'c' },
        { "seconds", required_argument, NULL, 's' },
        { "rate", required_argument, NULL, 'r' },
        { "threads", required_argument, NULL, 't' },
        { "timeout", required_argument, NULL, 'o' },
        { "close", no_argument, NULL, 'k' },
        { NULL, 0, NULL, 0 },
    };
    *s = (struct settings){ .seconds = 3, .threads = 2 };
    s->plan.connections = 64;
    s->plan.timeout = 5000000;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        double number = optarg != NULL ? strtod(optarg, NULL) : 0;
        switch (c) {
        case 'c':
            s->plan.connections = (unsigned)number;
            break;
        case 's':
            s->seconds = number;
            break;
        case 'r':
            s->plan.rate = number;
            break;
        case 't':
            s->threads = (unsigned)number;
            break;
        case 'o':
            s->plan.timeout = (int64_t)(number * 1e6);
            break;
        case 'k':
            s->plan.is_close = true;
            break;
        default:
            return false;
        }
    }
    if (s->threads > s->plan.connections) {
        s->threads = s->plan.connections;
    }
    if (argc - optind != 2 || s->threads < 1 || s->threads > MOST_THREADS ||
        s->seconds <= 0 || s->seconds > 600) {
        return false;
    }
    s->requests_file = argv[optind + 1];
    return parse_server(argv[optind], &s->plan.server);
}

static void *run(void *context)
{
    struct job *job = context;
    worker_run(&job->plan, &job->result);
    return NULL;
}

/* Threads share connections and rate as evenly as whole numbers allow. */
static void plan_jobs(const struct settings *s, struct job *jobs)
{
    int64_t start = worker_now() + LEAD_US;
    for (unsigned i = 0; i < s->threads; i++) {
        struct worker_plan *p = &jobs[i].plan;
        *p = s->plan;
        p->connections = s->plan.connections / s->threads +
                         (i < s->plan.connections % s->threads ? 1 : 0);
        p->rate = s->plan.rate / s->threads;
        p->first_request = (unsigned)(s->plan.requests->count * i / s->threads);
        /* Their schedules interleave. */
        p->start =
            start + (p->rate > 0 ? (int64_t)(i / (p->rate * s->threads) * 1e6) : 0);
        p->end = start + (int64_t)(s->seconds * 1e6);
    }
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void merge(struct worker_result *all, const struct worker_result *one)
{
    for (unsigned i = 0; i < WORKER_STATUSES; i++) {
        all->statuses[i] += one->statuses[i];
    }
    all->broken += one->broken;
    all->timed_out += one->timed_out;
    all->unsent += one->unsent;
    all->first_ok = earliest(all->first_ok, one->first_ok);
    all->last_bad = one->last_bad > all->last_bad ? one->last_bad : all->last_bad;
    all->last_answer =
        one->last_answer > all->last_answer ? one->last_answer : all->last_answer;
    histogram_merge(&all->ok, &one->ok);
    histogram_merge(&all->other, &one->other);
    histogram_merge(&all->ok_sent, &one->ok_sent);
    histogram_merge(&all->other_sent, &one->other_sent);
}

static void print_latency(const char *name, const struct histogram *h)
{
    printf("\"%s\":{\"count\":%llu,\"p50\":%lld,\"p90\":%lld,\"p99\":%lld,\"p999\":%lld,"
           "\"max\":%lld}",
           name, (unsigned long long)h->total, (long long)histogram_quantile(h, 0.5),
           (long long)histogram_quantile(h, 0.9), (long long)histogram_quantile(h, 0.99),
           (long long)histogram_quantile(h, 0.999), (long long)h->largest);
}

/* A point in time as microseconds from the start; null when it did not happen. */
static void print_time(const char *name, int64_t at, int64_t start)
{
    if (at == 0) {
        printf("\"%s\":null,", name);
    } else {
        printf("\"%s\":%lld,", name, (long long)(at - start));
    }
}

static void print_result(const struct worker_result *r, int64_t start)
{
    struct rusage own;
    const char *comma = "";
    getrusage(RUSAGE_SELF, &own);
    printf("{\"statuses\":{");
    for (unsigned i = 0; i < WORKER_STATUSES; i++) {
        if (r->statuses[i] > 0) {
            printf("%s\"%u\":%llu", comma, i, (unsigned long long)r->statuses[i]);
            comma = ",";
        }
    }
    printf("},\"broken\":%llu,\"timed_out\":%llu,\"unsent\":%llu,",
           (unsigned long long)r->broken, (unsigned long long)r->timed_out,
           (unsigned long long)r->unsent);
    print_time("last_answer", r->last_answer, start);
    print_time("first_ok", r->first_ok, start);
    print_time("last_bad", r->last_bad, start);
    print_latency("ok", &r->ok);
    printf(",");
    print_latency("other", &r->other);
    printf(",");
    print_latency("ok_sent", &r->ok_sent);
    printf(",");
    print_latency("other_sent", &r->other_sent);
    printf(",\"cpu\":%lld}\n",
           (long long)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000 +
               own.ru_utime.tv_usec + own.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct requests requests;
    if (!parse(argc, argv, &settings)) {
        fprintf(stderr,
                "usage: bench_load ADDRESS:PORT REQUESTS [--connections N] "
                "[--seconds S] [--rate N] [--threads N] [--timeout S] [--close]\n");
        return 2;
    }
    if (!requests_load(settings.requests_file, &requests)) {
        return 2;
    }
    settings.plan.requests = &requests;
    struct job *jobs = calloc(settings.threads, sizeof *jobs);
    struct worker_result *all = calloc(1, sizeof *all);
    plan_jobs(&settings, jobs);
    for (unsigned i = 0; i < settings.threads; i++) {
        pthread_create(&jobs[i].thread, NULL, run, &jobs[i]);
    }
    for (unsigned i = 0; i < settings.threads; i++) {
        pthread_join(jobs[i].thread, NULL);
        merge(all, &jobs[i].result);
    }
    print_result(all, jobs[0].plan.start);
    free(all);
    free(jobs);
    requests_free(&requests);
    return 0;
}

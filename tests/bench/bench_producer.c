/* What librdkafka alone costs: the events of a file as records of one topic, idempotent,
 * acks=all, lz4, linger 1 ms. usage: bench_producer BROKERS TOPIC EVENTS-FILE SECONDS the
 * file has one event a line Prints one JSON object: delivered records, microseconds until
 * the last was, CPU microseconds, peak RSS in KiB. */
#define _GNU_SOURCE
#include <librdkafka/rdkafka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MOST_EVENTS 100000

static char *events[MOST_EVENTS];
static size_t lengths[MOST_EVENTS];
static _Atomic uint64_t delivered, failed;
static _Atomic int is_done;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *context)
{
    (void)rk;
    (void)context;
    (void)atomic_fetch_add(message->err == 0 ? &delivered : &failed, 1);
}

static void *poll_reports(void *rk)
{
    while (!atomic_load(&is_done)) {
        rd_kafka_poll(rk, 100);
    }
    return NULL;
}

static size_t load_events(const char *path)
{
    size_t count = 0, room = 0;
    FILE *file = fopen(path, "r");
    while (file != NULL && count < MOST_EVENTS) {
        char *line = NULL;
        ssize_t len = getline(&line, &room, file);
        if (len <= 0) {
            break;
        }
        room = 0;
        events[count] = line;
        lengths[count++] = (size_t)len - 1;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

static rd_kafka_t *open_producer(const char *brokers)
{
    static const char *const settings[][2] = {
        { "enable.idempotence", "true" },
        { "acks", "all" },
        { "compression.codec", "lz4" },
        { "linger.ms", "1" },
        { "queue.buffering.max.messages", "100000" },
    };
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (rk == NULL) {
        fprintf(stderr, "bench_producer: %s\n", why);
        exit(1);
    }
    return rk;
}

/* Keys differ, as those of events do: records spread over the partitions. */
static void produce(rd_kafka_t *rk, const char *topic, size_t count, int64_t until)
{
    char key[32];
    for (uint64_t i = 0; i % 64 != 0 || now_us() < until; i++) {
        int len = snprintf(key, sizeof key, "m-%llu", (unsigned long long)i);
        while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
                                 RD_KAFKA_V_VALUE(events[i % count], lengths[i % count]),
                                 RD_KAFKA_V_KEY(key, (size_t)len),
                                 RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            nanosleep(&(struct timespec){ 0, 500000 }, NULL);
        }
    }
}

int main(int argc, char **argv)
{
    size_t count = argc == 5 ? load_events(argv[3]) : 0;
    if (count == 0) {
        fprintf(stderr, "usage: bench_producer BROKERS TOPIC EVENTS-FILE SECONDS\n");
        return 2;
    }
    pthread_t reports;
    struct rusage own;
    rd_kafka_t *rk = open_producer(argv[1]);
    pthread_create(&reports, NULL, poll_reports, rk);
    int64_t start = now_us();
    produce(rk, argv[2], count, start + (int64_t)(strtod(argv[4], NULL) * 1e6));
    rd_kafka_flush(rk, 30000);
    int64_t took = now_us() - start;
    atomic_store(&is_done, 1);
    pthread_join(reports, NULL);
    getrusage(RUSAGE_SELF, &own);
    printf(
        "{\"delivered\":%llu,\"failed\":%llu,\"us\":%lld,\"cpu\":%lld,\"rss_kib\":%ld}\n",
        (unsigned long long)delivered, (unsigned long long)failed, (long long)took,
        (long long)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000 +
            own.ru_utime.tv_usec + own.ru_stime.tv_usec,
        own.ru_maxrss);
    rd_kafka_destroy(rk);
    return 0;
}

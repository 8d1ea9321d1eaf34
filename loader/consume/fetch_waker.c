#include "loader/consume/fetch_waker.h"

#include "loader/consume/fetch_level.h"
#include "loader/consume/log_ends.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <librdkafka/rdkafka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define KIB 1024

struct fetch_waker {
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;  /* the consumer's one queue */
    struct fetch_level level; /* the consumer's thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_wanted; /* under the lock: a request is due */
    bool is_ending;
    _Atomic uint64_t count;
};

/* One request to each leader. The answers do not matter, and are not waited for longer
 * than they take when no fetch is before them: while one broker lets us wait (it has
 * nothing to send, and holds its answer for fetch.wait.max.ms) another may have to be
 * woken. */
static void ask_leaders(struct fetch_waker *w)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    struct error ignored;
    if (rd_kafka_assignment(w->consumer, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    if (list->cnt > 0) {
        bool is_answered =
            log_ends_read(w->consumer, LOG_END, list, FETCH_WAKER_WAIT_MS, &ignored);
        (void)is_answered;
        atomic_fetch_add(&w->count, 1);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void *run(void *context)
{
    struct fetch_waker *w = context;
    pthread_mutex_lock(&w->lock);
    while (!w->is_ending) {
        if (!w->is_wanted) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        w->is_wanted = false;
        pthread_mutex_unlock(&w->lock);
        ask_leaders(w);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* A property of the running client; false when this librdkafka has none of the name. */
static bool read_property(rd_kafka_t *consumer, const char *name, uint64_t *out)
{
    char text[32];
    size_t size = sizeof text;
    struct error err;
    return rd_kafka_conf_get(rd_kafka_conf(consumer), name, text, &size) ==
               RD_KAFKA_CONF_OK &&
           parse_u64(view_cstr(text), out, &err);
}

static bool start_thread(struct fetch_waker *w, struct error *err)
{
    int failed = pthread_create(&w->thread, NULL, run, w);
    return failed == 0 || error_set_errno(err, ERROR_FATAL, failed,
                                          "starting the thread that keeps fetching");
}

static void release(struct fetch_waker *w)
{
    rd_kafka_queue_destroy(w->queue);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool fetch_waker_start(struct rd_kafka_s *consumer, struct fetch_waker **out,
                       struct error *err)
{
    uint64_t ignored;
    *out = NULL;
    if (read_property(consumer, "fetch.queue.backoff.ms", &ignored)) {
        return true;
    }
    struct fetch_waker *w = mem_calloc(1, sizeof *w);
    w->consumer = consumer;
    w->queue = rd_kafka_queue_get_consumer(consumer);
    bool is_known =
        read_property(consumer, "queued.min.messages", &w->level.max_messages) &&
        read_property(consumer, "queued.max.messages.kbytes", &w->level.max_bytes);
    REQUIRE(w->queue != NULL && is_known);
    w->level.max_bytes *= KIB;
    REQUIRE(pthread_mutex_init(&w->lock, NULL) == 0);
    REQUIRE(pthread_cond_init(&w->changed, NULL) == 0);
    if (!start_thread(w, err)) {
        release(w);
        return false;
    }
    *out = w;
    return true;
}

void fetch_waker_stop(struct fetch_waker *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->is_ending = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    release(w);
}

static void look(struct fetch_waker *w)
{
    if (fetch_level_fell(&w->level, rd_kafka_queue_length(w->queue))) {
        pthread_mutex_lock(&w->lock);
        w->is_wanted = true;
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
    }
}

void fetch_waker_took(struct fetch_waker *w, size_t bytes)
{
    if (w != NULL && fetch_level_count(&w->level, bytes)) {
        look(w);
    }
}

void fetch_waker_found_nothing(struct fetch_waker *w)
{
    if (w != NULL) {
        look(w);
    }
}

uint64_t fetch_waker_count(const struct fetch_waker *w)
{
    return w == NULL ? 0 : atomic_load(&w->count);
}

#include "loader/consume/group.h"

#include "common/base/clock.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

#define LOOK_EVERY_MS 10 /* whether the consumer is closed: nothing tells us */

/* ---- commits ---- */

static void on_answer(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *opaque)
{
    rd_kafka_resp_err_t *answer = opaque;
    (void)consumer;
    (void)list;
    *answer = code;
}

/* The answer goes to a queue of its own. One that comes after the time finds the queue
 * gone, and librdkafka drops it: `answer` is not touched any more. */
static rd_kafka_resp_err_t commit_and_wait(rd_kafka_t *consumer,
                                           const rd_kafka_topic_partition_list_t *list,
                                           int timeout_ms)
{
    rd_kafka_resp_err_t answer = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    rd_kafka_resp_err_t code =
        rd_kafka_commit_queue(consumer, list, queue, on_answer, &answer);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_queue_poll_callback(queue, timeout_ms);
        code = answer;
    }
    rd_kafka_queue_destroy(queue);
    return code;
}

bool group_commit(struct rd_kafka_s *consumer,
                  const struct rd_kafka_topic_partition_list_s *list, int timeout_ms,
                  struct error *err)
{
    rd_kafka_resp_err_t code = timeout_ms > 0
                                   ? commit_and_wait(consumer, list, timeout_ms)
                                   : rd_kafka_commit(consumer, list, 1);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error_set(err, code, "committing offsets to the group");
}

/* ---- leaving ---- */

/* Takes what the closing consumer says: a rebalance waits for an answer, records and
 * errors are nobody's any more. As events, because rd_kafka_queue_poll_callback ends the
 * program at a record (librdkafka 2.0.2, 2.8: "res != RD_KAFKA_OP_RES_PASS"). */
static void serve(rd_kafka_t *consumer, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, LOOK_EVERY_MS);
    if (event != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) {
            rd_kafka_assign(consumer, NULL);
        }
        rd_kafka_event_destroy(event);
    }
}

static bool close_within(rd_kafka_t *consumer, rd_kafka_queue_t *queue, int timeout_ms)
{
    int64_t end = clock_mono_ms() + timeout_ms;
    rd_kafka_error_t *failure = rd_kafka_consumer_close_queue(consumer, queue);
    bool is_closing = failure == NULL;
    if (failure != NULL) {
        rd_kafka_error_destroy(failure);
    }
    while (is_closing && !rd_kafka_consumer_closed(consumer) && clock_mono_ms() < end) {
        serve(consumer, queue);
    }
    return rd_kafka_consumer_closed(consumer);
}

void group_leave(struct rd_kafka_s *consumer, int timeout_ms)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    bool is_closed = close_within(consumer, queue, timeout_ms);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy_flags(consumer,
                           is_closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

/* The stream over librdkafka's mock cluster: a member that stops, with records that
 * nobody took, and with a broker that does not answer. How it reads, and what it does at
 * rebalances, tests/e2e shows with a real Kafka. */
#include "loader/consume/kafka_stream.h"

#include "tests/support/mock_kafka.h"

#include "common/base/clock.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define RECORDS 1000
#define NO_ANSWER_MS 600000
#define COMMITS_OF_A_SESSION 5 /* 3 s each, of 10 s */
#define STOP_MS 25000          /* architecture.md, section 6 */

static void open_member(struct mock_kafka *kafka, struct stream *out)
{
    struct kafka_stream_setup setup = { .brokers = mock_kafka_brokers(kafka),
                                        .group = "loaders",
                                        .topic_prefix = MOCK_KAFKA_PREFIX,
                                        .is_member = true };
    struct error err;
    assert_true(kafka_stream_open(&setup, out, &err));
}

static struct stream_poll poll_until(const struct stream *stream,
                                     enum stream_event wanted)
{
    struct stream_poll poll;
    struct error err;
    enum stream_event event = STREAM_NOTHING;
    int64_t end = clock_mono_ms() + WAIT_MS;
    while (event != wanted && clock_mono_ms() < end) {
        event = stream->poll(stream->context, 100, &poll, &err);
    }
    assert_int_equal(event, wanted);
    return poll;
}

/* Once it was given partitions. */
static struct stream_partition start_first(const struct stream *stream)
{
    struct error err;
    struct stream_poll poll = poll_until(stream, STREAM_ASSIGNED);
    assert_true(poll.partition_count > 0);
    struct stream_partition first = poll.partitions[0];
    first.offset = 0;
    assert_true(stream->start(stream->context, &first, 1, &err));
    return first;
}

static void produce(struct mock_kafka *kafka, const char *topic)
{
    struct kafka_conf_settings settings = { .role = KAFKA_PRODUCER,
                                            .brokers = mock_kafka_brokers(kafka) };
    rd_kafka_conf_t *conf = NULL;
    struct error err;
    char why[256];
    assert_true(kafka_conf_new(&settings, &conf, &err));
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(producer);
    for (int i = 0; i < RECORDS; i++) {
        char value[] = "a record";
        assert_int_equal(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
                                           RD_KAFKA_V_VALUE(value, strlen(value)),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    assert_int_equal(rd_kafka_flush(producer, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
}

static void take_one(const struct stream *stream)
{
    struct stream_poll poll = poll_until(stream, STREAM_RECORD);
    stream->release(stream->context, poll.record.message);
}

static void test_stops_with_records_that_nobody_took(void **state)
{
    struct mock_kafka *kafka = mock_kafka_start();
    struct stream stream;
    (void)state;
    open_member(kafka, &stream);
    struct stream_partition first = start_first(&stream);
    produce(kafka, first.topic);
    take_one(&stream); /* the others came with it */
    stream.close(stream.context);
    mock_kafka_stop(kafka);
}

/* A member that commits so often in vain, and is closed then. */
static void assert_stops_in_its_time(int commits)
{
    struct mock_kafka *kafka = mock_kafka_start();
    struct stream stream;
    struct error err;
    open_member(kafka, &stream);
    struct stream_partition first = start_first(&stream);
    assert_true(stream.commit(stream.context, &first, 1, true, &err));

    mock_kafka_set_delay(kafka, NO_ANSWER_MS);
    int64_t last_commit = 0;
    for (int i = 0; i < commits; i++) {
        last_commit = clock_mono_ms();
        assert_false(stream.commit(stream.context, &first, 1, true, &err));
        assert_int_equal(err.class, ERROR_RETRY);
    }
    int64_t close = clock_mono_ms();
    stream.close(stream.context);
    int64_t closed = clock_mono_ms();
    print_message("%d commits, the last given up after %d ms, closed %d ms later\n",
                  commits, (int)(close - last_commit), (int)(closed - close));
    assert_true(closed - last_commit < STOP_MS);
    mock_kafka_stop(kafka);
}

static void test_stops_in_its_time_when_the_broker_does_not_answer(void **state)
{
    (void)state;
    assert_stops_in_its_time(1);
}

/* After its session: the connection was given up, and the new one brings no answer. */
static void test_stops_in_its_time_when_the_broker_has_long_not_answered(void **state)
{
    (void)state;
    assert_stops_in_its_time(COMMITS_OF_A_SESSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_with_records_that_nobody_took),
        cmocka_unit_test(test_stops_in_its_time_when_the_broker_does_not_answer),
        cmocka_unit_test(test_stops_in_its_time_when_the_broker_has_long_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

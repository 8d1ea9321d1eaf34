/* mock_kafka: librdkafka's mock cluster with our topics, for tests of what produces.
 *
 * Errors, delays and outages are injected by request. What was produced is read back with
 * a real consumer. It keeps 5 MiB a partition and evicts silently: keep tests small. One
 * thread.
 */
#ifndef TESTS_SUPPORT_MOCK_KAFKA_H
#define TESTS_SUPPORT_MOCK_KAFKA_H

#include "common/base/arena.h"
#include "common/base/view.h"
#include "common/contract/event_type.h"

#include <stddef.h>

struct mock_kafka;

#define MOCK_KAFKA_PREFIX "segment"

/* One broker; all topics of the prefix, of one partition each. */
struct mock_kafka *mock_kafka_start(void);
void mock_kafka_stop(struct mock_kafka *k);

/* "127.0.0.1:40001" */
const char *mock_kafka_brokers(const struct mock_kafka *k);

/* From now on the broker says that it knows none of the topics. */
void mock_kafka_hide_topics(struct mock_kafka *k);

/* The next `count` produce requests are answered with this librdkafka code. */
void mock_kafka_fail_produce(struct mock_kafka *k, int code, size_t count);

/* Every answer takes this long. */
void mock_kafka_set_delay(struct mock_kafka *k, int ms);

/* Takes the broker away, and brings it back. */
void mock_kafka_set_down(struct mock_kafka *k);
void mock_kafka_set_up(struct mock_kafka *k);

struct mock_record {
    struct view key, value;
    struct view reason, detail; /* headers; empty when absent */
    size_t header_count;
};

/* Reads `count` records of the topic from its start into `out` (texts in the arena), and
 * fails the test when they do not come, or when there is one more. */
void mock_kafka_read(struct mock_kafka *k, enum event_type topic, size_t count,
                     struct arena *arena, struct mock_record *out);

#endif

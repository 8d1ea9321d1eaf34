/* fetch_waker: keeps librdkafka 2.0.2 fetching.
 *
 * When the consumer's queue is full, the thread of each broker stops fetching, and nobody
 * wakes it when the queue has fallen: it sleeps for up to a second
 * (rd_kafka_broker_consumer_serve waits for operations and answers only; measured: the
 * loader stood still for 500 to 675 ms after every 25,000 records). Any request wakes it.
 * So a thread of ours asks for the end of every assigned partition's log, which is one
 * small request to each leader, whenever the queue was full and has fallen. Not the
 * consumer's thread: the answer waits behind a fetch under way. At rest, with short
 * queues, it asks nothing. From 2.2.0 on `fetch.queue.backoff.ms` does this, and there is
 * no thread.
 */
#ifndef LOADER_CONSUME_FETCH_WAKER_H
#define LOADER_CONSUME_FETCH_WAKER_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetch_waker;
struct rd_kafka_s;

/* Starts the thread; *out is NULL when this librdkafka needs none. The consumer must
 * outlive the waker. */
MUST_CHECK bool fetch_waker_start(struct rd_kafka_s *consumer, struct fetch_waker **out,
                                  struct error *err);

/* Ends and joins the thread, which may be waiting for Kafka for FETCH_WAKER_WAIT_MS. Must
 * come before the consumer is closed. NULL is allowed. */
void fetch_waker_stop(struct fetch_waker *w);

#define FETCH_WAKER_WAIT_MS 10

/* After each poll, on the consumer's thread: a record of `bytes` was taken, or nothing
 * came. Never blocks. NULL is allowed. */
void fetch_waker_took(struct fetch_waker *w, size_t bytes);
void fetch_waker_found_nothing(struct fetch_waker *w);

/* How often it has asked so far. Any thread. NULL is allowed: 0. */
uint64_t fetch_waker_count(const struct fetch_waker *w);

#endif

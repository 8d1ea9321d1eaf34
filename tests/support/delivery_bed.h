/* delivery_bed: a request's delivery as a test wants it: made of records, handed over,
 * and waited for. One thread per bed; its end may come on any.
 */
#ifndef TESTS_SUPPORT_DELIVERY_BED_H
#define TESTS_SUPPORT_DELIVERY_BED_H

#include "ingest/durable/durable.h"

#include <pthread.h>

struct delivery_bed {
    struct budget budget;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned ends; /* how often on_end was called for the last delivery */
    enum delivery_outcome outcome;
    struct delivery *delivery; /* the last one; held by the bed */
};

#define DELIVERY_BED_BUDGET (64u << 20)

/* An empty bed; close it with delivery_bed_close, which fails unless the budget is back.
 */
void delivery_bed_open(struct delivery_bed *bed);
void delivery_bed_close(struct delivery_bed *bed);

/* A delivery for `records` records, of source and schema "shop". */
struct delivery *delivery_bed_new(struct delivery_bed *bed, size_t records);

/* Adds a record with this key and value, copied, to the topic of tracks. */
void delivery_bed_add(struct delivery *d, const char *key, struct view value);

/* Waits until it has ended, at most `timeout_ms`; false: it has not. */
bool delivery_bed_wait(struct delivery_bed *bed, int64_t timeout_ms);

/* Hands it to the port, and acts as the sweeper of deadlines does until it has ended: the
 * first deadline is `ack_ms` from now. */
enum delivery_outcome delivery_bed_publish(struct delivery_bed *bed,
                                           const struct durable *port, int64_t ack_ms);

#endif

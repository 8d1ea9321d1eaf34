/* delivery: one request's wait for its records to become durable.
 *
 * Counted references: the request's thread holds one and each record under way holds one,
 * so a delivery outlives a request that timed out, until its last report came in. Reports
 * arrive on the publisher's thread, the wait is on the request's thread.
 */
#ifndef INGEST_DURABLE_DELIVERY_H
#define INGEST_DURABLE_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery;

/* One reference, held by the caller. */
struct delivery *delivery_new(void);

/* Gives the caller's reference back. */
void delivery_release(struct delivery *d);

/* A record is under way (takes a reference), or has ended (gives it back): durable or
 * not. */
void delivery_started(struct delivery *d);
void delivery_ended(struct delivery *d, bool is_durable);

/* Waits until at most `most` of the started records have not ended, or the deadline
 * (monotonic ms) has passed: then false. For requests of very many records: what is under
 * way stays bounded. Only by the thread that starts them. */
bool delivery_wait_room(struct delivery *d, unsigned most, int64_t deadline_mono_ms);

enum delivery_state {
    DELIVERY_DURABLE, /* every record that was started is durable */
    DELIVERY_FAILED,  /* at least one ended otherwise */
    DELIVERY_PENDING, /* the deadline passed first */
};

/* Waits until all started records have ended or the deadline (monotonic ms) has passed.
 * Called once, when all are started. */
enum delivery_state delivery_wait(struct delivery *d, int64_t deadline_mono_ms);

#endif

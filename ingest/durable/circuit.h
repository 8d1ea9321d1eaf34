/* circuit: shall a request be tried on Kafka, or refused at once? (architecture.md,
 * section 3)
 *
 * Opens after three ack time-outs in a row: what was handed over before the last success
 * does not count, for a single slow broker is no outage. While open one request a second
 * is still tried; one success closes it. Any thread; the caller gives the time.
 */
#ifndef INGEST_DURABLE_CIRCUIT_H
#define INGEST_DURABLE_CIRCUIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct circuit {
    _Atomic unsigned timeouts; /* in a row */
    _Atomic int64_t tried_at_mono_ms;
    _Atomic int64_t succeeded_at_mono_ms;
};

/* True when this request may be tried: while open the second's one try is then taken.
 * Only for who tries at once. */
bool circuit_admits(struct circuit *c, int64_t now_mono_ms);

/* The same, but takes nothing. */
bool circuit_would_admit(const struct circuit *c, int64_t now_mono_ms);

/* What became of a request that was handed over at that time, or now. */
void circuit_timed_out(struct circuit *c, int64_t handed_over_mono_ms);
void circuit_succeeded(struct circuit *c, int64_t now_mono_ms);

/* For metrics; admits decides. */
bool circuit_is_open(const struct circuit *c);

#endif

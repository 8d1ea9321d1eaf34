/* backoff: how long to wait before the next try: exponential with jitter, bounded.
 *
 * Pure but for its own random state, which the caller seeds (tests seed it with a
 * constant). The wait before try n is random in [half, whole] of min(first * 2^n, max):
 * jitter keeps replicas from knocking together.
 */
#ifndef COMMON_BASE_BACKOFF_H
#define COMMON_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint64_t first_ms;
    uint64_t max_ms;
    unsigned tries; /* since the last reset */
    uint64_t random;
};

/* The first wait is at most `first_ms`, none is longer than `max_ms`. */
void backoff_init(struct backoff *b, uint64_t first_ms, uint64_t max_ms, uint64_t seed);

/* After a success: the next failure waits `first_ms` again. */
void backoff_reset(struct backoff *b);

/* The wait in milliseconds before the next try; counts the try. */
uint64_t backoff_next_ms(struct backoff *b);

#endif

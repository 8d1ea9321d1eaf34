/* budget: the process's bound on bytes under way (INGEST_MAX_INFLIGHT_BYTES): request
 * bodies and produced records.
 *
 * An atomic counter that never exceeds its maximum; any thread. Who takes gives back, to
 * the byte.
 */
#ifndef COMMON_BASE_BUDGET_H
#define COMMON_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
    uint64_t max_bytes;
    _Atomic uint64_t used_bytes;
};

/* Nothing is taken yet. Before other threads know the budget. */
void budget_init(struct budget *b, uint64_t max_bytes);

/* Takes `bytes`; false when that would exceed the maximum (nothing is taken). */
bool budget_take(struct budget *b, uint64_t bytes);

/* Gives back what was taken; more than that is our own bug and aborts. */
void budget_give(struct budget *b, uint64_t bytes);

/* What is taken now. */
uint64_t budget_used(const struct budget *b);

#endif

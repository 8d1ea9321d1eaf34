#include "ingest/durable/circuit.h"

#define TIMEOUTS_TO_OPEN 3
#define PROBE_EVERY_MS 1000

bool circuit_is_open(const struct circuit *c)
{
    return atomic_load(&c->timeouts) >= TIMEOUTS_TO_OPEN;
}

static bool is_due(int64_t tried_at_mono_ms, int64_t now_mono_ms)
{
    return now_mono_ms - tried_at_mono_ms >= PROBE_EVERY_MS;
}

bool circuit_would_admit(const struct circuit *c, int64_t now_mono_ms)
{
    return !circuit_is_open(c) || is_due(atomic_load(&c->tried_at_mono_ms), now_mono_ms);
}

bool circuit_admits(struct circuit *c, int64_t now_mono_ms)
{
    if (!circuit_is_open(c)) {
        return true;
    }
    int64_t tried = atomic_load(&c->tried_at_mono_ms);
    /* Of those that come in the same second one wins the exchange. */
    return is_due(tried, now_mono_ms) &&
           atomic_compare_exchange_strong(&c->tried_at_mono_ms, &tried, now_mono_ms);
}

void circuit_timed_out(struct circuit *c, int64_t handed_over_mono_ms)
{
    if (atomic_load(&c->succeeded_at_mono_ms) <= handed_over_mono_ms &&
        !circuit_is_open(c)) {
        atomic_fetch_add(&c->timeouts, 1);
    }
}

void circuit_succeeded(struct circuit *c, int64_t now_mono_ms)
{
    atomic_store(&c->succeeded_at_mono_ms, now_mono_ms);
    atomic_store(&c->timeouts, 0);
}

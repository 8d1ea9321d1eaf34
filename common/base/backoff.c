#include "common/base/backoff.h"

/* splitmix64 (Steele, Lea, Flood 2014): full period, good from any seed, zero too. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void backoff_init(struct backoff *b, uint64_t first_ms, uint64_t max_ms, uint64_t seed)
{
    *b = (struct backoff){ .first_ms = first_ms, .max_ms = max_ms, .random = seed };
}

void backoff_reset(struct backoff *b)
{
    b->tries = 0;
}

uint64_t backoff_next_ms(struct backoff *b)
{
    uint64_t whole = b->first_ms < b->max_ms ? b->first_ms : b->max_ms;
    for (unsigned i = 0; i < b->tries && whole < b->max_ms; i++) {
        whole = whole > b->max_ms / 2 ? b->max_ms : whole * 2;
    }
    b->tries++;
    uint64_t half = whole / 2;
    return half + next_random(&b->random) % (whole - half + 1);
}

#include "tests/bench/load/histogram.h"

#include <math.h>
#include <stddef.h>

/* Below 32 each value has a bucket; above, the five bits behind the highest choose it. */
static size_t bucket_of(int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    if (value < HISTOGRAM_STEPS) {
        return value;
    }
    unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - 5;
    size_t bucket = (size_t)(shift + 1) * HISTOGRAM_STEPS +
                    (size_t)((value >> shift) - HISTOGRAM_STEPS);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static int64_t top_of(size_t bucket)
{
    if (bucket < HISTOGRAM_STEPS) {
        return (int64_t)bucket;
    }
    unsigned shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
    uint64_t first = (uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
    return (int64_t)(first + ((uint64_t)1 << shift) - 1);
}

void histogram_add(struct histogram *h, int64_t us)
{
    h->counts[bucket_of(us)]++;
    h->total++;
    if (us > h->largest) {
        h->largest = us;
    }
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->counts[i] += from->counts[i];
    }
    h->total += from->total;
    if (from->largest > h->largest) {
        h->largest = from->largest;
    }
}

int64_t histogram_quantile(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)h->total);
    uint64_t seen = 0;
    for (size_t i = 0; h->total > 0 && i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted) {
            return top_of(i) < h->largest ? top_of(i) : h->largest;
        }
    }
    return 0;
}

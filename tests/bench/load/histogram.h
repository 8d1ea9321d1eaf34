/* histogram: how often which duration was seen, in microseconds, to about 3 %.
 *
 * 32 buckets for each power of two. Owned by one thread while it counts; merged when the
 * threads have ended.
 */
#ifndef TESTS_BENCH_LOAD_HISTOGRAM_H
#define TESTS_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 40)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    int64_t largest; /* microseconds */
};

/* Counts one duration; a negative one counts as 0. */
void histogram_add(struct histogram *h, int64_t us);

/* Adds what `from` has counted. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/* The duration that `share` (0 to 1) of all do not exceed; 0 when nothing was counted. */
int64_t histogram_quantile(const struct histogram *h, double share);

#endif

/* clock: the two clocks. Deadlines and durations use the monotonic one, stamps the real
 * one. Pure modules take times as arguments instead of calling this. */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_real_ms(void);

/* Microseconds since an arbitrary start; never goes back. */
int64_t clock_mono_us(void);

/* Milliseconds of the same clock. */
int64_t clock_mono_ms(void);

/* The CLOCK_MONOTONIC time `mono_ms` as pthread_cond_timedwait wants it (condition
 * variables of ours are made with pthread_condattr_setclock(CLOCK_MONOTONIC)). */
struct timespec clock_timespec(int64_t mono_ms);

#endif

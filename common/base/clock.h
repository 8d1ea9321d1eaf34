/* clock: the two clocks. Deadlines and durations use the monotonic one, stamps the real
 * one. Pure modules take times as arguments instead of calling this. */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_real_ms(void);

/* Microseconds since an arbitrary start; never goes back. */
int64_t clock_mono_us(void);

/* Milliseconds of the same clock. */
int64_t clock_mono_ms(void);

/* A time in UTC, with a NUL: its day, "2026-11-26"; as a name, "20261126135801". */
#define CLOCK_DAY_BYTES 11
#define CLOCK_STAMP_BYTES 15
void clock_format_day(int64_t real_ms, char out[CLOCK_DAY_BYTES]);
void clock_format_stamp(int64_t real_ms, char out[CLOCK_STAMP_BYTES]);

/* Makes a condition variable that waits by the monotonic clock: by default it would be
 * the real one, which jumps. */
void clock_cond_init(pthread_cond_t *cond);

/* The time `mono_ms` as pthread_cond_timedwait wants it for such a one. */
struct timespec clock_timespec(int64_t mono_ms);

#endif

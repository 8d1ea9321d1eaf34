#include "common/base/clock.h"

#include "common/base/mem.h"

static int64_t read_us(clockid_t id)
{
    struct timespec now = { 0 };
    (void)clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_real_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

static struct tm utc_of(int64_t real_ms)
{
    time_t seconds = (time_t)(real_ms / 1000);
    struct tm utc = { 0 };
    gmtime_r(&seconds, &utc);
    return utc;
}

void clock_format_day(int64_t real_ms, char out[CLOCK_DAY_BYTES])
{
    struct tm utc = utc_of(real_ms);
    out[strftime(out, CLOCK_DAY_BYTES, "%Y-%m-%d", &utc)] = '\0';
}

void clock_format_stamp(int64_t real_ms, char out[CLOCK_STAMP_BYTES])
{
    struct tm utc = utc_of(real_ms);
    out[strftime(out, CLOCK_STAMP_BYTES, "%Y%m%d%H%M%S", &utc)] = '\0';
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    REQUIRE(pthread_condattr_init(&attributes) == 0);
    REQUIRE(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    REQUIRE(pthread_cond_init(cond, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

struct timespec clock_timespec(int64_t mono_ms)
{
    struct timespec at = { .tv_sec = (time_t)(mono_ms / 1000),
                           .tv_nsec = (long)(mono_ms % 1000) * 1000000 };
    return at;
}

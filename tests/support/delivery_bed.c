#include "tests/support/delivery_bed.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ANSWER_BY_MS 30000

void delivery_bed_open(struct delivery_bed *bed)
{
    pthread_condattr_t attributes;
    *bed = (struct delivery_bed){ .ends = 0 };
    budget_init(&bed->budget, DELIVERY_BED_BUDGET);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&bed->lock, NULL);
    pthread_cond_init(&bed->ended, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void forget(struct delivery_bed *bed)
{
    if (bed->delivery != NULL) {
        delivery_let_go(bed->delivery);
        bed->delivery = NULL;
    }
}

void delivery_bed_close(struct delivery_bed *bed)
{
    forget(bed);
    assert_int_equal(budget_used(&bed->budget), 0);
    pthread_cond_destroy(&bed->ended);
    pthread_mutex_destroy(&bed->lock);
}

static void on_end(void *context, enum delivery_outcome outcome)
{
    struct delivery_bed *bed = *(struct delivery_bed **)context;
    pthread_mutex_lock(&bed->lock);
    bed->outcome = outcome;
    bed->ends++;
    pthread_cond_signal(&bed->ended);
    pthread_mutex_unlock(&bed->lock);
}

struct delivery *delivery_bed_new(struct delivery_bed *bed, size_t records)
{
    struct delivery_setup setup = { .budget = &bed->budget,
                                    .records = records,
                                    .context_bytes = sizeof bed,
                                    .answer_by_mono_ms = clock_mono_ms() + ANSWER_BY_MS,
                                    .on_end = on_end };
    struct record common = { .source = view_cstr("shop"),
                             .schema = view_cstr("shop"),
                             .received_at_ms = 1796378405000,
                             .request_id = view_cstr("r1") };
    forget(bed);
    bed->ends = 0;
    bed->delivery = delivery_new(&setup);
    *(struct delivery_bed **)bed->delivery->context = bed;
    delivery_hold(bed->delivery);
    delivery_set_common(bed->delivery, &common);
    return bed->delivery;
}

void delivery_bed_add(struct delivery *d, const char *key, struct view value)
{
    struct record r = { .topic = EVENT_TRACK, .key = view_cstr(key), .value = value };
    delivery_add(d, &r, true);
}

bool delivery_bed_wait(struct delivery_bed *bed, int64_t timeout_ms)
{
    struct timespec until = clock_timespec(clock_mono_ms() + timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&bed->lock);
    while (bed->ends == 0 && waited == 0) {
        waited = pthread_cond_timedwait(&bed->ended, &bed->lock, &until);
    }
    bool has_ended = bed->ends > 0;
    pthread_mutex_unlock(&bed->lock);
    return has_ended;
}

enum delivery_outcome delivery_bed_publish(struct delivery_bed *bed,
                                           const struct durable *port, int64_t ack_ms)
{
    struct delivery *d = bed->delivery;
    int64_t wait_ms = ack_ms;
    assert_true(delivery_charge(d));
    port->take(port->context, d);
    while (!delivery_bed_wait(bed, wait_ms)) {
        int64_t now = clock_mono_ms();
        int64_t next = port->on_deadline(port->context, d, now);
        wait_ms = next == INT64_MAX ? ANSWER_BY_MS : next - now;
    }
    return bed->outcome;
}

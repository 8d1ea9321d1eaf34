#include "ingest/durable/spool_window.h"

#include "common/base/mem.h"

static struct spool_flight *at(struct spool_window *w, unsigned index)
{
    return &w->flights[(w->first + index) % SPOOL_WINDOW_RECORDS];
}

bool spool_window_has_room(const struct spool_window *w)
{
    return !w->has_failed && w->count < SPOOL_WINDOW_RECORDS &&
           w->bytes < SPOOL_WINDOW_BYTES;
}

struct spool_flight *spool_window_add(struct spool_window *w, struct spool_place behind,
                                      uint64_t bytes)
{
    REQUIRE(w->count < SPOOL_WINDOW_RECORDS);
    struct spool_flight *f = at(w, w->count);
    f->state = SPOOL_UNDER_WAY;
    f->behind = behind;
    f->bytes = bytes;
    w->count++;
    w->under_way++;
    w->bytes += bytes;
    return f;
}

void spool_window_take_back(struct spool_window *w)
{
    const struct spool_flight *f = at(w, w->count - 1);
    REQUIRE(w->count > 0 && f->state == SPOOL_UNDER_WAY);
    w->count--;
    w->under_way--;
    w->bytes -= f->bytes;
}

void spool_window_end(struct spool_window *w, struct spool_flight *flight,
                      bool is_durable)
{
    REQUIRE(flight->state == SPOOL_UNDER_WAY && w->under_way > 0);
    flight->state = is_durable ? SPOOL_DELIVERED : SPOOL_FAILED;
    w->has_failed = w->has_failed || !is_durable;
    w->under_way--;
}

unsigned spool_window_advance(struct spool_window *w, struct spool_place *base)
{
    unsigned delivered = 0;
    while (w->count > 0 && at(w, 0)->state == SPOOL_DELIVERED) {
        *base = at(w, 0)->behind;
        w->bytes -= at(w, 0)->bytes;
        w->first = (w->first + 1) % SPOOL_WINDOW_RECORDS;
        w->count--;
        delivered++;
    }
    return delivered;
}

bool spool_window_rewind(struct spool_window *w)
{
    if (!w->has_failed || w->under_way > 0) {
        return false;
    }
    w->first = 0;
    w->count = 0;
    w->bytes = 0;
    w->has_failed = false;
    return true;
}

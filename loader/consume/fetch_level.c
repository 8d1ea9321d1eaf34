#include "loader/consume/fetch_level.h"

/* Sizes vary: a queue that holds a quarter of the bytes by our estimate may be full. */
#define BYTES_MARGIN 4

bool fetch_level_count(struct fetch_level *l, size_t bytes)
{
    l->bytes += bytes;
    return ++l->records >= FETCH_LEVEL_STEP;
}

/* Between two looks up to a step of records may have been taken from a queue that was
 * just full. */
static bool may_be_full(const struct fetch_level *l, uint64_t queued, uint64_t mean_bytes)
{
    return queued + UINT64_C(2) * FETCH_LEVEL_STEP >= l->max_messages ||
           queued * mean_bytes >= l->max_bytes / BYTES_MARGIN;
}

/* An empty queue is below every limit, whatever the estimate says. */
bool fetch_level_fell(struct fetch_level *l, uint64_t queued)
{
    uint64_t mean_bytes = l->records == 0 ? 0 : l->bytes / l->records;
    l->records = 0;
    l->bytes = 0;
    if (queued > 0 && may_be_full(l, queued, mean_bytes)) {
        l->was_full = true;
        return false;
    }
    bool fell = l->was_full;
    l->was_full = false;
    return fell;
}

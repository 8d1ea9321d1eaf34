#include "common/base/budget.h"

#include "common/base/mem.h"

void budget_init(struct budget *b, uint64_t max_bytes)
{
    b->max_bytes = max_bytes;
    atomic_init(&b->used_bytes, 0);
}

bool budget_take(struct budget *b, uint64_t bytes)
{
    uint64_t used = atomic_load(&b->used_bytes);
    do {
        if (bytes > b->max_bytes || used > b->max_bytes - bytes) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&b->used_bytes, &used, used + bytes));
    return true;
}

void budget_give(struct budget *b, uint64_t bytes)
{
    uint64_t used = atomic_fetch_sub(&b->used_bytes, bytes);
    REQUIRE(used >= bytes);
}

uint64_t budget_used(const struct budget *b)
{
    return atomic_load(&b->used_bytes);
}

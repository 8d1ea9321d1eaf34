#include "ingest/durable/kafka_groups.h"

static _Atomic uint32_t *count_of(struct kafka_groups *g, int32_t partition)
{
    return &g->under_way[partition % KAFKA_GROUPS_PARTITIONS];
}

/* The next partition with a leader and, where it may be, nothing under way. All busy: the
 * group stays where it is, unless that one has lost its leader. */
static int32_t next_partition(struct kafka_groups *g, int32_t current, int32_t partitions,
                              unsigned busy_limit, kafka_groups_available is_available,
                              const void *topic)
{
    int32_t any = -1;
    bool may_be_busier = atomic_load(&g->busy) < busy_limit;
    for (int32_t i = 1; i <= partitions; i++) {
        int32_t candidate = (int32_t)(((int64_t)current + i) % partitions);
        if (!is_available(topic, candidate)) {
            continue;
        }
        if (may_be_busier && atomic_load(count_of(g, candidate)) == 0) {
            return candidate;
        }
        any = any < 0 ? candidate : any;
    }
    bool can_stay = current < partitions && is_available(topic, current);
    return can_stay || any < 0 ? current % partitions : any;
}

int32_t kafka_groups_choose(struct kafka_groups *g, int64_t now_us, int32_t partitions,
                            unsigned busy_limit, kafka_groups_available is_available,
                            const void *topic)
{
    int64_t since = atomic_load(&g->since_us);
    int32_t partition = atomic_load(&g->partition);
    bool is_over = now_us - since >= KAFKA_GROUPS_LASTS_US || partition >= partitions;
    /* Of those that find it over, one begins the next; the others still join the old. */
    if (is_over && atomic_compare_exchange_strong(&g->since_us, &since, now_us)) {
        partition =
            next_partition(g, partition, partitions, busy_limit, is_available, topic);
        atomic_store(&g->partition, partition);
    }
    partition %= partitions;
    if (atomic_fetch_add(count_of(g, partition), 1) == 0) {
        atomic_fetch_add(&g->busy, 1);
    }
    return partition;
}

void kafka_groups_ended(struct kafka_groups *g, int32_t partition)
{
    if (partition >= 0 && atomic_fetch_sub(count_of(g, partition), 1) == 1) {
        atomic_fetch_sub(&g->busy, 1);
    }
}

#include "ingest/durable/kafka_groups.h"

static _Atomic uint32_t *count_of(struct kafka_groups *g, int32_t partition)
{
    return &g->under_way[partition % KAFKA_GROUPS_PARTITIONS];
}

static bool is_stuck(struct kafka_groups *g, int32_t partition, int64_t now_us)
{
    return atomic_load(count_of(g, partition)) > 0 &&
           now_us - atomic_load(&g->moved_us[partition % KAFKA_GROUPS_PARTITIONS]) >
               KAFKA_GROUPS_STUCK_US;
}

/* What there is to choose from. Below 0: none. */
struct choice {
    int32_t free;   /* nothing of it is under way */
    int32_t alive;  /* busy, but moving */
    int32_t led;    /* has a leader, whatever else */
    unsigned stuck; /* how many are */
};

/* From the one behind `current` on, so that each gets its turn. */
static struct choice look_around(struct kafka_groups *g, int64_t now_us, int32_t current,
                                 int32_t partitions, kafka_groups_available is_available,
                                 const void *topic)
{
    struct choice c = { .free = -1, .alive = -1, .led = -1 };
    for (int32_t i = 1; i <= partitions; i++) {
        int32_t p = (int32_t)(((int64_t)current + i) % partitions);
        bool has_leader = is_available(topic, p);
        bool is_busy = atomic_load(count_of(g, p)) > 0;
        bool has_stuck = is_stuck(g, p, now_us);
        c.stuck += has_stuck;
        if (has_leader && !is_busy && c.free < 0) {
            c.free = p;
        } else if (has_leader && is_busy && !has_stuck && (c.alive < 0 || p == current)) {
            c.alive = p; /* the group stays where it is, if it can */
        } else if (has_leader && c.led < 0) {
            c.led = p;
        }
    }
    return c;
}

static int32_t next_partition(const struct choice *c, unsigned busy, unsigned busy_limit,
                              int32_t current)
{
    bool may_be_busier = busy < busy_limit + c->stuck;
    if (c->free >= 0 && (may_be_busier || c->alive < 0)) {
        return c->free;
    }
    return c->alive >= 0 ? c->alive : c->led >= 0 ? c->led : current;
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
        struct choice c =
            look_around(g, now_us, partition, partitions, is_available, topic);
        partition =
            next_partition(&c, atomic_load(&g->busy), busy_limit, partition % partitions);
        atomic_store(&g->partition, partition);
    }
    partition %= partitions;
    if (atomic_fetch_add(count_of(g, partition), 1) == 0) {
        atomic_store(&g->moved_us[partition % KAFKA_GROUPS_PARTITIONS], now_us);
        atomic_fetch_add(&g->busy, 1);
    }
    return partition;
}

void kafka_groups_ended(struct kafka_groups *g, int32_t partition, int64_t now_us)
{
    if (partition < 0) {
        return;
    }
    atomic_store(&g->moved_us[partition % KAFKA_GROUPS_PARTITIONS], now_us);
    if (atomic_fetch_sub(count_of(g, partition), 1) == 1) {
        atomic_fetch_sub(&g->busy, 1);
    }
}

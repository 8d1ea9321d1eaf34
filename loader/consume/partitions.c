#include "loader/consume/partitions.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void partitions_assign(struct partitions *p, const struct stream_partition *assigned,
                       size_t count)
{
    partitions_clear(p);
    p->list = mem_calloc(count, sizeof *p->list);
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        struct partition *one = &p->list[i];
        one->topic = assigned[i].topic;
        one->partition = assigned[i].partition;
        one->state = PARTITION_WAITING;
        one->looked_back_for = -1;
    }
}

void partitions_clear(struct partitions *p)
{
    free(p->list);
    p->list = NULL;
    p->count = 0;
}

struct partition *partitions_find(struct partitions *p, const char *topic,
                                  int32_t partition)
{
    for (size_t i = 0; i < p->count; i++) {
        struct partition *one = &p->list[i];
        if (one->partition == partition &&
            (one->topic == topic || strcmp(one->topic, topic) == 0)) {
            return one;
        }
    }
    return NULL;
}

void partition_stop(struct partition *p, int64_t now_mono_ms, int64_t retry_after_ms,
                    const char *reason)
{
    p->state = PARTITION_STOPPED;
    p->retry_at_mono_ms = now_mono_ms + retry_after_ms;
    snprintf(p->reason, sizeof p->reason, "%s", reason);
}

size_t partitions_in_state(const struct partitions *p, enum partition_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        count += p->list[i].state == state;
    }
    return count;
}

void partitions_await_positions(struct partitions *p, int64_t now_mono_ms)
{
    for (size_t i = 0; i < p->count; i++) {
        struct partition *one = &p->list[i];
        if (one->state == PARTITION_STOPPED && now_mono_ms < one->retry_at_mono_ms) {
            continue;
        }
        one->state =
            PARTITION_WAITING; /* looked_back_for stays: that is what it is for */
    }
}

enum partition_step partition_judge(struct partition *p, int64_t offset)
{
    if (p->state != PARTITION_RUNNING || offset < p->next) {
        return PARTITION_SKIP;
    }
    if (offset == p->next || p->looked_back_for == offset) {
        p->looked_back_for = -1;
        return PARTITION_TAKE;
    }
    p->looked_back_for = offset;
    return PARTITION_LOOK_BACK;
}

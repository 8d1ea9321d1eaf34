#include "ingest/durable/spool_inventory.h"

#include "common/base/mem.h"

#include <stdlib.h>

struct spool_segment *spool_inventory_add(struct spool_inventory *v, uint64_t number)
{
    struct spool_segment *s = mem_calloc(1, sizeof *s);
    s->number = number;
    if (number >= v->next_number) {
        v->next_number = number + 1;
    }
    if (v->newest == NULL) {
        v->oldest = s;
    } else {
        v->newest->next = s;
    }
    v->newest = s;
    return s;
}

void spool_inventory_drop(struct spool_inventory *v, const struct spool_segment *s)
{
    struct spool_segment **at = &v->oldest;
    struct spool_segment *before = NULL;
    while (*at != s) {
        before = *at;
        at = &before->next;
    }
    struct spool_segment *gone = *at;
    *at = gone->next;
    if (v->newest == gone) {
        v->newest = before;
    }
    v->disk_bytes -= gone->disk_bytes;
    free(gone);
}

void spool_inventory_release(struct spool_inventory *v)
{
    while (v->oldest != NULL) {
        spool_inventory_drop(v, v->oldest);
    }
}

struct spool_segment *spool_inventory_find(const struct spool_inventory *v,
                                           uint64_t number)
{
    struct spool_segment *s = v->oldest;
    while (s != NULL && s->number < number) {
        s = s->next;
    }
    return s;
}

void spool_inventory_count(struct spool_inventory *v, struct spool_segment *s,
                           const struct spool_tally *t)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        s->tally.records[i] += t->records[i];
        s->tally.bytes[i] += t->bytes[i];
        v->records += t->records[i];
    }
}

void spool_inventory_resize(struct spool_inventory *v, struct spool_segment *s,
                            uint64_t bytes)
{
    uint64_t disk_bytes = spool_folder_disk_bytes(bytes);
    v->disk_bytes = v->disk_bytes - s->disk_bytes + disk_bytes;
    s->disk_bytes = disk_bytes;
    s->bytes = bytes;
}

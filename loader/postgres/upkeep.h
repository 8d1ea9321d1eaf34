/* upkeep: what the control schema needs beside the loads: which sources there are and
 * when each was last heard of, and the end of old statistics.
 *
 * After a load and outside of its transaction: a row of `source` is every loader's, so in
 * it they would wait for each other. Nothing depends on it: what fails is tried again at
 * its next time. One thread, with the connection.
 */
#ifndef LOADER_POSTGRES_UPKEEP_H
#define LOADER_POSTGRES_UPKEEP_H

#include "loader/postgres/connection.h"
#include "loader/postgres/sink.h"

struct upkeep_source {
    char *schema;
    int64_t noted_mono_ms;
};

/* Zeroed: nothing noted yet. */
struct upkeep {
    struct upkeep_source *sources;
    size_t count, capacity;
    int64_t pruned_mono_ms;
};

/* Frees what it remembers. */
void upkeep_release(struct upkeep *u);

/* Notes the sources of what was read, be it rows or refused, each at most once a minute,
 * and deletes statistics older than 30 days (architecture.md, section 5) once an hour. */
void upkeep_after_load(struct upkeep *u, struct connection *c,
                       const struct sink_load *load, int64_t now_mono_ms);

#endif

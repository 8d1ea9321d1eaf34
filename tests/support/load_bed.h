/* load_bed: one loader's way from events to rows without its threads, for tests of how a
 * load goes into a real PostgreSQL: straight into the tables, or by staging.
 *
 * A loader is a session with a mapper and a catalogue of its own, as another process
 * would have; its positions are those of a consumer group of its own name, so loaders
 * share tables but no partition. Functions fail the test when the bed itself does not do
 * as told. One thread per loader.
 */
#ifndef TESTS_SUPPORT_LOAD_BED_H
#define TESTS_SUPPORT_LOAD_BED_H

#include "loader/load/batch.h"
#include "loader/postgres/direct_load.h"

struct bed_loader {
    const char *name; /* group and owner */
    bool newest_wins;
    struct connection connection;
    struct staging staging;
    struct catalogue *catalogue;
    struct mapper *mapper;
    struct batch *batch; /* what is added next */
    int64_t offset;      /* of the next record: the loader's one partition */
    const struct direct_pause *pause;
    struct load_counts counts[8]; /* of the last load, by its tables */
    size_t table_count;
    struct error err; /* of the last load */
};

struct bed_event {
    const char *id;
    int64_t received_at_ms; /* orders copies: the sequence is this with `seq` */
    const char *rest;       /* further members, with their comma */
    enum event_type type;
    uint32_t seq;
};

/* Connects, makes the control schema, begins the position. */
void bed_loader_open(struct bed_loader *l, const char *url, const char *name,
                     bool newest_wins);
void bed_loader_close(struct bed_loader *l);

/* Adds an event of the source "shop" to the batch. */
void bed_add(struct bed_loader *l, const struct bed_event *e);
void bed_add_track(struct bed_loader *l, const char *id, int64_t received_at_ms,
                   const char *rest);

/* Makes the batch's tables and columns, and maps it to them. */
void bed_settle(struct bed_loader *l);

/* Loads the settled batch straight into its tables; it is kept unless it was loaded. */
enum direct_outcome bed_load_direct(struct bed_loader *l);

/* Loads it by staging; false with the error in l->err. */
bool bed_load_staged(struct bed_loader *l);

/* As the loader does: straight, and by staging when that is rolled back. True when it was
 * loaded; *out_is_direct: in the first way. */
bool bed_load(struct bed_loader *l, bool *out_is_direct);

/* bed_settle, then straight, which must work. */
void bed_load_well(struct bed_loader *l);

/* ---- a second session of the test's own, for looking and for acting beside ---- */

/* Runs SQL, which must succeed. */
void bed_run(struct connection *eye, const char *sql);

/* The first field of the first row; valid until the next call. */
const char *bed_ask(struct connection *eye, const char *sql);

#define bed_assert_sql(eye, expected, sql)                                               \
    assert_string_equal(bed_ask(eye, sql), expected)

#endif

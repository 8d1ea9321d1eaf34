/* simulate: the proof of the loader's consume and load code: several loaders in a world
 * where everything fails that can, one history a seed (sim.h).
 *
 * usage: simulate [--seconds N] [--seed S] [--histories N] [--faults MASK] [--tell]
 *                 [--postgres]
 *
 * A history is a few hundred records and as many faults; then the faults stop, and
 * everything must come to rest: all loaded, each event once, the right copy. Ends with 1
 * at the first violation, after it has looked for the fewest kinds of faults that still
 * show it, and told that history. With --postgres a real PostgreSQL does all that the
 * database in memory does, and is compared with it at each step (sim_mirror.c); it cannot
 * fail over. */
#include "loader/consume/consumer.h"

#include "tests/simulation/sim.h"
#include "tests/simulation/sim_mirror.h"
#include "tests/support/postgres_server.h"
#include "tests/support/step_writer.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 2500        /* of a history, before it calms down */
#define REST_STEPS 200000 /* until it must have come to rest */
#define HISTORIES_MAX 1000000

struct loader {
    struct sim_world *world;
    int number;
    struct sim_session session;
    struct sim_stream stream;
    struct step_writer writer;
    struct catalogue *catalogue;
    struct mapper *mapper;
    struct consumer *consumer; /* NULL: it does not run */
    int64_t records_out;
    unsigned frozen; /* so many turns it does not get */
};

struct simulation {
    struct sim_world world;
    struct loader loaders[SIM_LOADERS];
    struct loader_metrics *metrics;
    uint64_t steps;
    bool has_postgres;
};

/* Who does not wait for the writer finds it a step further or not. */
static bool dawdles(void *context)
{
    return sim_random(context, 2) == 0;
}

/* ---- a loader ---- */

static void loader_start(struct simulation *s, int number)
{
    static const char *const none[] = { NULL };
    static const struct mapping_options mapping = { .ignore_paths = none,
                                                    .integration_names = none };
    struct loader *l = &s->loaders[number];
    *l = (struct loader){ .world = &s->world, .number = number };
    sim_session_init(&l->session, &s->world, number);
    sim_stream_init(&l->stream, &s->world, number, &l->records_out);
    l->catalogue = catalogue_new();
    l->mapper = mapper_new(&mapping);
    struct pipeline_setup pipeline = { .sink = &l->session.sink,
                                       .metrics = s->metrics,
                                       .backoff_first_ms = 50,
                                       .backoff_max_ms = 2000,
                                       .seed = sim_random(&s->world, 1000) };
    step_writer_init(&l->writer, pipeline_new(&pipeline), &s->world.now_ms);
    l->writer.dawdles = dawdles;
    l->writer.context = &s->world;
    struct consumer_setup consumer = {
        .stream = &l->stream.stream,
        .writer = &l->writer.writer,
        .context = { .catalogue = l->catalogue, .mapper = l->mapper, .max_columns = 800 },
        .limits = { .batch_rows = 12, .batch_bytes = 1000000, .batch_age_ms = 5 },
        .metrics = s->metrics,
        .open_again = sim_stream_open_again,
        .open_context = &l->stream,
    };
    l->consumer = consumer_new(&consumer);
    sim_tell(&s->world, "loader %d starts", number);
}

/* A killed one's ports go nowhere any more: what it does on its way out has no effect. */
static void loader_end(struct simulation *s, int number, bool is_killed)
{
    struct loader *l = &s->loaders[number];
    if (l->consumer == NULL) {
        return;
    }
    sim_tell(&s->world, "loader %d %s", number, is_killed ? "is killed" : "stops");
    l->session.is_dead = is_killed;
    l->stream.is_dead = is_killed;
    l->writer.is_dead = is_killed;
    (void)consumer_finish(l->consumer);
    l->consumer = NULL;
    pipeline_free(l->writer.pipeline);
    mapper_free(l->mapper);
    catalogue_free(l->catalogue);
    if (l->records_out != 0) {
        sim_violated(&s->world, "loader %d has kept %" PRId64 " records", number,
                     l->records_out);
    }
}

static void divide_group(struct simulation *s)
{
    bool is_alive[SIM_LOADERS];
    for (int i = 0; i < SIM_LOADERS; i++) {
        is_alive[i] = s->loaders[i].consumer != NULL && s->loaders[i].frozen == 0;
    }
    sim_group_assign(&s->world, is_alive);
}

/* ---- what happens ---- */

/* A reset that was followed, and marked as ours in the group, is forgotten by a database
 * that knows nothing of it: its records are loaded there. */
static void fail_over(struct sim_world *w)
{
    if (!w->has_older) {
        return;
    }
    sim_tell(w, "the database fails over to an older copy");
    for (size_t i = 0; i < w->record_count; i++) {
        struct sim_record *r = &w->records[i];
        r->must_come = r->must_come && w->logs[r->log].reset_to != -1;
    }
    sim_database_copy(&w->database, &w->older);
    w->incarnation++;
}

/* Only without a member, as Kafka has it. Back, what was loaded must come again; forward,
 * what lies between must not. */
static void reset_offsets(struct simulation *s)
{
    struct sim_world *w = &s->world;
    unsigned number = sim_random(w, SIM_LOGS);
    struct sim_log *log = &w->logs[number];
    int64_t to = sim_random(w, (unsigned)log->end + 1);
    for (int i = 0; i < SIM_LOADERS; i++) {
        loader_end(s, i, sim_random(w, 2) == 0);
    }
    divide_group(s);
    int64_t position = w->database.position[number];
    sim_tell(w, "an operator resets %s:%d from %lld to %lld", log->topic, log->partition,
             (long long)position, (long long)to);
    log->committed = to;
    log->is_committed_by_us = false;
    log->reset_to = to;
    for (size_t i = 0; i < log->count; i++) {
        struct sim_record *r = &w->records[log->records[i]];
        r->must_come = r->offset >= to && r->offset < position;
        r->must_not_come = r->offset < to && r->offset >= position;
    }
}

static void break_or_mend(struct sim_world *w)
{
    unsigned number = sim_random(w, SIM_TABLES + 1);
    w->is_broken[number] = !w->is_broken[number];
    sim_tell(w, "table %u is %s", number, w->is_broken[number] ? "broken" : "mended");
}

static void crash_or_start(struct simulation *s)
{
    int number = (int)sim_random(&s->world, SIM_LOADERS);
    if (s->loaders[number].consumer != NULL) {
        loader_end(s, number, true);
    } else {
        loader_start(s, number);
    }
    divide_group(s);
}

static void go_away(struct sim_world *w)
{
    sim_tell(w, "the database is away for a while");
    w->away_until_ms = w->now_ms + 3000;
    w->incarnation++;
}

/* A process that is stopped, or a machine that swaps: when it goes on, it has been thrown
 * out, and does not know. */
static void freeze(struct simulation *s)
{
    struct loader *l = &s->loaders[sim_random(&s->world, SIM_LOADERS)];
    l->frozen = 20 + sim_random(&s->world, 100);
    sim_tell(&s->world, "loader %d stands still", l->number);
    divide_group(s);
}

/* Each is drawn, whether it may happen or not. */
static void something_fails(struct simulation *s)
{
    struct sim_world *w = &s->world;
    if (sim_fails(w, SIM_CRASH, 90)) {
        crash_or_start(s);
    }
    if (sim_fails(w, SIM_REBALANCE, 60)) {
        divide_group(s);
    }
    if (sim_fails(w, SIM_FROZEN, 100)) {
        freeze(s);
    }
    if (sim_random(w, 150) == 0) { /* no fault: a backup */
        sim_database_copy(&w->older, &w->database);
        w->has_older = true;
    }
    if (sim_fails(w, SIM_FAIL_OVER, 400)) {
        fail_over(w);
    }
    if (sim_fails(w, SIM_AWAY, 400)) {
        go_away(w);
    }
    if (sim_fails(w, SIM_BROKEN_TABLE, 120)) {
        break_or_mend(w);
    }
    if (sim_fails(w, SIM_HUMAN_DDL, 120)) {
        sim_database_alter(w, (int)sim_random(w, SIM_TABLES));
    }
    if (sim_fails(w, SIM_RESET, 600)) {
        reset_offsets(s);
    }
}

static void turn(struct simulation *s)
{
    struct loader *l = &s->loaders[sim_random(&s->world, SIM_LOADERS)];
    s->steps++;
    if (l->frozen > 0) {
        l->frozen--;
        return;
    }
    if (l->consumer != NULL && !consumer_turn(l->consumer)) {
        sim_violated(&s->world, "loader %d has ended by itself", l->number);
    }
}

/* What is not at rest yet, in words; true when something is. */
static bool find_unrest(const struct simulation *s, char *out, size_t size)
{
    const struct sim_world *w = &s->world;
    const struct sim_database *d = &w->database;
    if (d->held_count > 0) {
        const struct sink_range *r = &d->held[0];
        snprintf(out, size, "%s:%d waits from %lld to %lld", r->topic, r->partition,
                 (long long)r->from, (long long)r->to);
        return true;
    }
    for (int i = 0; i < SIM_LOGS; i++) {
        if (d->position[i] != w->logs[i].end) {
            snprintf(out, size, "%s:%d stands at %lld of %lld", w->logs[i].topic,
                     w->logs[i].partition, (long long)d->position[i],
                     (long long)w->logs[i].end);
            return true;
        }
    }
    for (size_t i = 0; i < w->record_count; i++) {
        if (w->records[i].must_come) {
            snprintf(out, size, "%s is not read again", w->logs[w->records[i].log].topic);
            return true;
        }
    }
    return false;
}

/* Whoever has partitions keeps them: what a loader has not noticed, it must notice by
 * itself. */
static void give_partitions_to_the_living(struct simulation *s)
{
    bool has_all = true;
    for (int i = 0; i < SIM_LOADERS; i++) {
        s->loaders[i].frozen = 0;
    }
    for (int i = 0; i < SIM_LOGS; i++) {
        int owner = s->world.logs[i].owner;
        has_all = has_all && owner >= 0 && s->loaders[owner].consumer != NULL;
    }
    if (has_all) {
        return;
    }
    for (int i = 0; i < SIM_LOADERS; i++) {
        if (s->loaders[i].consumer == NULL) {
            loader_start(s, i);
        }
    }
    divide_group(s);
}

/* Everything works again. */
static void calm_down(struct simulation *s)
{
    struct sim_world *w = &s->world;
    w->faults = 0;
    memset(w->is_broken, 0, sizeof w->is_broken);
    w->away_until_ms = 0;
    sim_tell(w, "it calms down");
    char unrest[100];
    give_partitions_to_the_living(s);
    for (uint64_t i = 0; i < REST_STEPS && find_unrest(s, unrest, sizeof unrest) &&
                         w->violation[0] == '\0';
         i++) {
        turn(s);
    }
    if (find_unrest(s, unrest, sizeof unrest)) {
        sim_violated(w, "it does not come to rest: %s", unrest);
    }
    sim_database_check_rest(w);
}

/* One history; true when nothing was violated. */
static bool live(struct simulation *s, uint64_t seed, uint32_t faults, bool is_told)
{
    struct sim_world *w = &s->world;
    sim_world_init(w, seed);
    w->mirror = s->has_postgres ? sim_mirror_open() : NULL;
    w->faults = s->has_postgres ? faults & ~(1u << SIM_FAIL_OVER) : faults;
    w->is_told = is_told;
    for (int i = 0; i < SIM_LOADERS; i++) {
        s->loaders[i].consumer = NULL;
    }
    loader_start(s, 0);
    loader_start(s, 1);
    divide_group(s);
    for (int i = 0; i < STEPS && w->violation[0] == '\0'; i++) {
        something_fails(s);
        for (unsigned more = sim_random(w, 8); more == 0;) {
            sim_produce(w);
            more = sim_random(w, 3);
        }
        turn(s);
    }
    if (w->violation[0] == '\0') {
        calm_down(s);
    }
    for (int i = 0; i < SIM_LOADERS; i++) {
        loader_end(s, i, w->violation[0] != '\0');
    }
    sim_mirror_close(w->mirror);
    sim_world_release(w);
    return w->violation[0] == '\0';
}

/* Half of the kinds of faults, others in each history: where everything happens, one
 * fault hides what another has left behind. Each eighth has all. */
static uint32_t some_of(uint32_t faults, uint64_t seed)
{
    struct sim_world draw = { .random = seed };
    uint32_t chosen = 0;
    for (int i = 0; i < SIM_FAULTS; i++) {
        chosen |= sim_random(&draw, 2) << i;
    }
    return sim_random(&draw, 8) == 0 ? faults : faults & chosen;
}

/* ---- what was found ---- */

/* Without each kind of fault in turn: those that are not needed for it. */
static uint32_t fewest_faults(struct simulation *s, uint64_t seed, uint32_t faults)
{
    for (int i = 0; i < SIM_FAULTS; i++) {
        uint32_t fewer = faults & ~(1u << i);
        if (fewer != faults && !live(s, seed, fewer, false)) {
            faults = fewer;
        }
    }
    return faults;
}

static void tell_violation(struct simulation *s, uint64_t seed, uint32_t faults)
{
    char found[sizeof s->world.violation];
    memcpy(found, s->world.violation, sizeof found);
    uint32_t fewest = fewest_faults(s, seed, faults);
    (void)live(s, seed, fewest, true);
    printf("\nseed %" PRIu64 ": %s\n", seed, found);
    if (fewest != faults) {
        printf("with fewer faults: %s\n", s->world.violation);
    }
    printf("again: simulate --seed %" PRIu64 " --histories 1 --faults 0x%x --tell\n",
           seed, fewest);
}

struct totals {
    uint64_t commits, slices, rows, rejections, fenced, resets;
};

static void add(struct totals *t, const struct sim_world *w)
{
    t->commits += w->commits;
    t->slices += w->slices;
    t->rows += w->rows;
    t->rejections += w->rejections;
    t->fenced += w->fenced;
    t->resets += w->resets;
}

struct arguments {
    uint64_t seconds, seed, histories, faults;
    bool tells, has_postgres;
};

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        uint64_t *number = strcmp(argv[i], "--seconds") == 0     ? &a->seconds
                           : strcmp(argv[i], "--seed") == 0      ? &a->seed
                           : strcmp(argv[i], "--histories") == 0 ? &a->histories
                           : strcmp(argv[i], "--faults") == 0    ? &a->faults
                                                                 : NULL;
        if (strcmp(argv[i], "--tell") == 0) {
            a->tells = true;
        } else if (strcmp(argv[i], "--postgres") == 0) {
            a->has_postgres = true;
        } else if (number == NULL || ++i == argc) {
            fprintf(stderr, "usage: simulate [--seconds N] [--seed S] [--histories N]"
                            " [--faults MASK] [--tell] [--postgres]\n");
            return false;
        } else {
            *number = strtoull(argv[i], NULL, 0);
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct arguments a = { .seconds = 120,
                           .histories = HISTORIES_MAX,
                           .faults = (1u << SIM_FAULTS) - 1 };
    if (!read_arguments(argc, argv, &a)) {
        return 2;
    }
    a.seed = a.seed == 0 ? (uint64_t)clock_real_ms() : a.seed;
    log_configure((enum log_level)(LOG_ERROR + 1),
                  LOG_LOGFMT); /* failures are all it has */
    struct simulation *s = mem_calloc(1, sizeof *s);
    struct totals t = { 0 };
    s->metrics = loader_metrics_new();
    s->has_postgres = a.has_postgres;
    if (a.has_postgres) {
        postgres_server_start();
    }
    int64_t until = clock_mono_ms() + (int64_t)a.seconds * 1000;
    uint32_t faults = (uint32_t)a.faults;
    uint64_t count = 0;
    bool holds = true;
    while (holds && count < a.histories && clock_mono_ms() < until) {
        uint32_t some = a.histories == 1 ? faults : some_of(faults, a.seed + count);
        holds = live(s, a.seed + count, some, a.tells);
        count += holds ? 1 : 0;
        add(&t, &s->world);
    }
    if (!holds) {
        uint32_t some = a.histories == 1 ? faults : some_of(faults, a.seed + count);
        tell_violation(s, a.seed + count, some);
    }
    printf("%" PRIu64 " histories from seed %" PRIu64 ", %" PRIu64 " turns: %" PRIu64
           " commits (%" PRIu64 " slices), %" PRIu64 " rows, %" PRIu64
           " rejected, %" PRIu64 " fenced, %" PRIu64 " resets\n",
           count, a.seed, s->steps, t.commits, t.slices, t.rows, t.rejections, t.fenced,
           t.resets);
    loader_metrics_free(s->metrics);
    free(s);
    if (a.has_postgres) {
        postgres_server_stop();
    }
    return holds ? 0 : 1;
}

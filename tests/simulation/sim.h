/* sim: the world of the simulation: a log, a group and a database in memory, shared by
 * several loaders, in virtual time, on one thread, from one seed.
 *
 * The loaders are the product's own consume and load code behind its ports (stream.h,
 * sink.h); everything else is here, and fails as the seed says. What must hold is checked
 * at every commit (sim_commit.c) and when the world has come to rest (simulate.c); the
 * first violation ends the history.
 */
#ifndef TESTS_SIMULATION_SIM_H
#define TESTS_SIMULATION_SIM_H

#include "loader/consume/stream.h"
#include "loader/postgres/sink.h"

#define SIM_LOGS 5
#define SIM_RECORDS 320 /* of a history */
#define SIM_EVENTS 200  /* message ids */
#define SIM_USERS 5
#define SIM_TABLES 2 /* track, page */
#define SIM_LOADERS 3
#define SIM_HELD 16
#define SIM_SCHEMA "shop"

/* What may go wrong: bits of sim_world.faults, so that a failing history can be tried
 * with fewer of them. */
enum sim_fault {
    SIM_COPIES,          /* an event comes again, also with an older receipt */
    SIM_REFUSED,         /* records that the database refuses, or the mapping */
    SIM_DELETIONS,       /* users ask for deletion */
    SIM_HOLES,           /* offsets that the log leaves out */
    SIM_REBALANCE,       /* partitions change hands; who lost them learns it later */
    SIM_CRASH,           /* kill -9, between any two steps */
    SIM_FROZEN,          /* it stands still, and the group goes on without it */
    SIM_LOST_CONNECTION, /* before the commit */
    SIM_LOST_ANSWER,     /* after it */
    SIM_SERIALIZATION,   /* 40001, 40P01, 57014 */
    SIM_FAIL_OVER,       /* to an older copy of the database */
    SIM_AWAY,            /* nobody can connect for a while */
    SIM_BROKEN_TABLE,    /* a table refuses everything, until it is mended */
    SIM_HUMAN_DDL,       /* somebody adds a column */
    SIM_DDL_LOCK,        /* somebody holds the table: 55P03 */
    SIM_KAFKA,           /* Kafka does not answer, commits are refused */
    SIM_RESET,           /* an operator resets the group's offsets, either way */
    SIM_FAULTS,
};

struct sim_record {
    uint8_t log;
    uint16_t event;
    uint8_t user, key; /* the property that it brings: a column */
    bool is_refused;   /* by the database */
    bool is_malformed; /* no JSON: by the mapping */
    int64_t offset;
    int64_t received_at_ms; /* of its own: identifies the copy */
    /* An operator's reset: it must be read again, or must not be read. */
    bool must_come, must_not_come;
};

struct sim_log {
    const char *topic;
    enum event_type type;
    int32_t partition;
    uint16_t records[SIM_RECORDS]; /* numbers of the world's records */
    size_t count;
    int64_t end;
    int64_t committed; /* -1: none */
    bool is_committed_by_us;
    int64_t reset_to;      /* what an operator has set and not taken back; -1: nothing */
    int64_t most_position; /* that the database ever had */
    int owner;             /* a loader; -1: nobody */
};

enum sim_fate { SIM_AHEAD, SIM_HELD_BACK, SIM_DONE, SIM_LEFT_OUT };

/* What is committed; copied whole for a fail-over. */
struct sim_database {
    int64_t position[SIM_LOGS]; /* -1: none */
    struct sink_range held[SIM_HELD];
    size_t held_count;
    const struct table *tables[SIM_TABLES]; /* NULL: there is none; a reference each */
    int64_t rows[SIM_TABLES][SIM_EVENTS];   /* the sequence of the copy; 0: no row */
    int64_t best[SIM_TABLES][SIM_EVENTS];   /* the least that was loaded: the rule */
    bool rejected[SIM_TABLES][SIM_EVENTS];
    bool has_asked[SIM_EVENTS]; /* requests for deletion: of each the first copy counts */
    int64_t asked_at_us[SIM_USERS]; /* the latest request; 0: none */
    uint8_t fate[SIM_RECORDS];
};

struct sim_world {
    uint64_t random;
    uint32_t faults; /* bits; 0: it calms down */
    int64_t now_ms;
    struct sim_record records[SIM_RECORDS];
    size_t record_count;
    struct sim_log logs[SIM_LOGS];
    struct sim_database database;
    struct sim_database older; /* a copy of some time ago */
    bool has_older;
    unsigned incarnation; /* of the database: connections end with it */
    int64_t away_until_ms;
    bool is_broken[SIM_TABLES + 1]; /* the last one: _sdc_rejected */
    unsigned generation;            /* of the group */
    unsigned versions;              /* fingerprints that were given */
    /* What happened. */
    uint64_t commits, slices, rows, rejections, fenced, resets;
    struct sim_mirror *mirror; /* PostgreSQL, which does the same; NULL: none */
    bool is_told;              /* each action on stdout */
    char violation[300];
};

/* ---- sim_world.c ---- */

/* A new world from a seed. */
void sim_world_init(struct sim_world *w, uint64_t seed);
void sim_world_release(struct sim_world *w);

/* A number from 0 to below `count`. */
unsigned sim_random(struct sim_world *w, unsigned count);

/* True once in `in` times, if such a fault may happen. Draws a number in any case, so
 * that histories with fewer faults stay alike. */
bool sim_fails(struct sim_world *w, enum sim_fault fault, unsigned in);

/* Notes the first violation. */
void sim_violated(struct sim_world *w, const char *format, ...) PRINTF_LIKE(2, 3);

/* Tells an action, when they are told. */
void sim_tell(struct sim_world *w, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends a record to a log at random. */
void sim_produce(struct sim_world *w);

/* The log of a topic and partition; the record at an offset, NULL: there is none. */
struct sim_log *sim_log_of(struct sim_world *w, const char *topic, int32_t partition);
struct sim_record *sim_record_at(struct sim_world *w, const struct sim_log *log,
                                 int64_t offset);

/* 0 track, 1 page; -1: another. */
int sim_table_of(struct view name);

/* The record with this _sdc_sequence; NULL: there is none. */
struct sim_record *sim_record_of_sequence(struct sim_world *w, int64_t sequence);

/* ---- sim_database.c ---- */

struct sim_session { /* a loader's connection: the sink port */
    struct sim_world *world;
    struct sink sink;
    int loader;
    bool is_dead; /* its process is gone: whatever it still says goes nowhere */
    bool is_connected;
    unsigned incarnation; /* that it is connected to */
};

/* Not connected yet. */
void sim_session_init(struct sim_session *s, struct sim_world *w, int loader);

/* The range of the same partition and table; NULL: there is none. */
struct sink_range *sim_find_held(struct sim_database *d, const struct sink_range *like);

/* Moves a position, and notes how far it ever was. */
void sim_set_position(struct sim_world *w, struct sim_log *log, int64_t next);

/* Keeps a copy; goes back to it; both keep what tables they hold alive. */
void sim_database_copy(struct sim_database *to, const struct sim_database *from);
void sim_database_release(struct sim_database *d);

/* A human adds a column. */
void sim_database_alter(struct sim_world *w, int table);

/* Checked when everything has come to rest: every record is where it belongs. */
void sim_database_check_rest(struct sim_world *w);

/* ---- sim_commit.c ---- */

/* Makes the load true, and checks that everything holds. */
void sim_commit(struct sim_session *s, const struct sink_load *load);

/* ---- sim_stream.c ---- */

struct sim_stream { /* a loader's member of the group, or a reader beside it */
    struct sim_world *world;
    struct stream stream;
    int loader;
    bool is_member, is_dead;
    bool has_assignment;
    unsigned generation;        /* that it has heard of */
    int64_t position[SIM_LOGS]; /* -1: not started */
    struct stream_partition assigned[SIM_LOGS];
    int64_t *records_out; /* handed out and not given back */
};

/* A member that has heard of nothing yet; `records_out` counts what it hands out. */
void sim_stream_init(struct sim_stream *s, struct sim_world *w, int loader,
                     int64_t *records_out);

/* For consumer_setup.open_again; the context is the member. */
bool sim_stream_open_again(void *context, struct stream *out, struct error *err);

/* The group gives its partitions to these loaders. */
void sim_group_assign(struct sim_world *w, const bool is_alive[SIM_LOADERS]);

#endif

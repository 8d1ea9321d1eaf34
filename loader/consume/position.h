/* position: where a partition's loading begins, decided from what database, log and group
 * say. Pure.
 *
 * backstitch.load_offset is the authority (architecture.md, section 4). Two things
 * overrule it: the group's committed offset without our mark (an operator reset it, in
 * either direction), and an operator's word that a named loss is accepted. A position
 * outside the log stops the partition: going on anywhere else would lose records
 * silently.
 */
#ifndef LOADER_CONSUME_POSITION_H
#define LOADER_CONSUME_POSITION_H

#include <stdbool.h>
#include <stdint.h>

struct position_facts {
    int64_t in_database; /* next_offset; -1: no row */
    int64_t log_start;   /* first offset there is */
    int64_t log_end;     /* the one behind the last */
    int64_t committed;   /* by the group; -1: none */
    bool is_committed_by_us;
    bool accepts_gap;     /* --accept-gap names this partition */
    bool accepts_new_log; /* --accept-new-log names this topic */
};

enum position_verdict {
    POSITION_START, /* at `offset`, which the database already has */
    POSITION_FIRST, /* at `offset`, the log's start: the database has no row yet */
    POSITION_RESET, /* at `offset`, set by an operator: the database must be told */
    POSITION_GAP, /* as RESET, but records are left out: to be logged by name and count */
    POSITION_BELOW_LOG, /* stop: `missing` records are gone from the log's start */
    POSITION_ABOVE_LOG, /* stop: the log ends before the position: it is another log */
};

struct position_choice {
    enum position_verdict verdict;
    int64_t offset;
    int64_t missing; /* GAP: records left out; BELOW_LOG: records that are gone */
};

/* True when the database must be told before loading may begin there. */
bool position_must_move(const struct position_choice *choice);

/* Never fails: a position that cannot be begun at is a verdict too. */
struct position_choice position_choose(const struct position_facts *facts);

#endif

/* map_event: from a record to a row: mapping.md as a pure function.
 *
 * Input: the record and a plan of its table; output: cells, and columns added to the
 * plan. No I/O, no clock, no logging; the same input gives the same output for ever
 * within MAPPING_VERSION. Events that are not loaded (rejected, suppressed, deletions)
 * add no columns. A mapper holds scratch memory and options; one thread at a time. Events
 * are checked again by the scanner that ingest uses: not all who can write to Kafka are
 * ingest.
 */
#ifndef LOADER_MAPPING_MAP_EVENT_H
#define LOADER_MAPPING_MAP_EVENT_H

#include "loader/mapping/cell.h"

#include "common/base/arena.h"
#include "common/contract/record.h"
#include "common/contract/reject_reason.h"

#define MAPPING_VERSION 1

struct mapping_options {
    /* LOADER_IGNORE_PATHS: dotted paths as stored in _sdc_extra, NULL-ended. */
    const char *const *ignore_paths;
    /* LOADER_INTEGRATION_NAMES: those that select us, beside Stitch, Stitch Data,
     * Backstitch; NULL-ended. */
    const char *const *integration_names;
};

struct mapper;

/* A mapper with a copy of the options. */
struct mapper *mapper_new(const struct mapping_options *options);

/* Frees the mapper; results stay valid, they are in the caller's arena. NULL is allowed.
 */
void mapper_free(struct mapper *m);

struct row {
    /* Ascending column index, each column at most once. _sdc_batched_at is not among
     * them: the database sets it. */
    const struct cell *cells;
    uint32_t count;
    struct view message_id;
    int64_t sequence;
    /* For what concerns a row whatever columns an existing table has for it: whose event
     * it is (empty: nobody's), and since when it has been, by our receipt or its own
     * receivedAt or timestamp, whichever is first (operations.md, section 5). */
    struct view user_id;
    int64_t since_us;
    int64_t received_at_us; /* our receipt */
};

enum map_outcome { MAP_ROW, MAP_REJECTED, MAP_SUPPRESSED, MAP_DELETION };

struct map_rejected {
    struct view record; /* as sent, storable, without write key (see rejected.h) */
    struct view reason; /* "word" or "word: detail" */
    enum reject_reason word;
    struct view message_id;
    struct view user_id;    /* empty: NULL */
    struct view table_name; /* "track"; empty: NULL */
};

struct map_deletion {
    struct view message_id;
    struct view user_id;
    int64_t requested_at_ms; /* our receipt of the request */
};

struct map_result {
    enum map_outcome outcome;
    struct row row;               /* MAP_ROW */
    struct map_rejected rejected; /* MAP_REJECTED */
    struct map_deletion deletion; /* MAP_DELETION */
    uint32_t sanitized;  /* values in which NUL or lone surrogates became U+FFFD */
    uint32_t overflowed; /* values that a limit (columns, growth, row width) kept out of
                            theirs */
    uint32_t demoted;    /* values that a human wants in _sdc_extra */
};

enum map_width {
    MAP_NORMAL,
    MAP_NARROW, /* after "row is too big" (54000): short non-fixed values go to _sdc_extra
                 */
};

/* Maps `record` (topic, key, value and headers filled) for the table of `plan`, which is
 * that of the record's topic; for EVENT_DELETE and EVENT_REJECTED plan may be NULL.
 * Results live in `arena` and borrow from the record's bytes. */
void map_event(struct mapper *m, const struct record *record, struct table_plan *plan,
               enum map_width width, struct arena *arena, struct map_result *out);

/* The rejected form of a record for a reason found elsewhere (headers that cannot be
 * read, the database refused it). Headers that are missing may be empty in `record`. */
void map_event_reject(struct mapper *m, const struct record *record,
                      enum reject_reason word, struct view detail, struct arena *arena,
                      struct map_rejected *out);

#endif

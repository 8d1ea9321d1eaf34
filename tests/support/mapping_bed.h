/* mapping_bed: a mapper on a table, for tests that map single events and look at the row.
 *
 * bed_setup and bed_teardown are cmocka's: *state is the bed, one at a time, on a track
 * table that does not exist yet. The functions that assert fail the test.
 */
#ifndef TESTS_SUPPORT_MAPPING_BED_H
#define TESTS_SUPPORT_MAPPING_BED_H

#include "loader/mapping/map_event.h"

struct mapping_bed {
    struct arena arena;
    struct mapper *mapper;
    const struct table *table;
    struct table_plan *plan;
    struct map_result result; /* of the last event */
};

/* The default of LOADER_IGNORE_PATHS, NULL-ended. */
extern const char *const bed_ignored_paths[];

/* Before and after each test. */
int bed_setup(void **state);
int bed_teardown(void **state);

/* Goes on with this table (its reference is taken) and a new plan. */
void bed_open_table(struct mapping_bed *f, struct table *t, size_t max_columns);

/* Goes on with a table that the database has: these columns and, unless it is the first
 * of them, message_id. */
void bed_open_taken_over(struct mapping_bed *f, const struct column *columns,
                         size_t count, size_t max_columns);

/* Maps into f->result: a record, a track event, a track event with these properties (a
 * row). */
void bed_map_record(struct mapping_bed *f, const struct record *r, enum map_width width);
void bed_map_text(struct mapping_bed *f, struct view event);
void bed_map_properties(struct mapping_bed *f, const char *properties);

/* The last row has this text in the column; NULL: it is NULL. */
void bed_assert_cell(struct mapping_bed *f, const char *column, const char *text);

/* The last event was rejected with exactly this reason. */
void bed_assert_rejected(const struct mapping_bed *f, const char *reason);

/* How many natural columns the plan adds. */
size_t bed_natural_columns(const struct table_plan *p);

#endif

/* table: what the mapping must know of a table: its columns, as they are or as they will
 * be.
 *
 * A `struct table` is what the catalogue read: immutable and counted, shared by threads.
 * A `struct table_plan` is one batch's view of it: the base and the columns that the
 * batch's events want besides, within the limits of growth. The mapping is a pure
 * function of record and plan; the plan becomes true by DDL before the batch is loaded,
 * or the batch is mapped again against what the table became. Nothing here knows SQL.
 * Views handed out live as long as their table or plan.
 */
#ifndef LOADER_MAPPING_TABLE_H
#define LOADER_MAPPING_TABLE_H

#include "common/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* LOADER_MAX_COLUMNS is at most this: PostgreSQL's limit is 1,600, dropped columns count,
 * and fixed columns must always find room. */
#define TABLE_MAX_COLUMNS 1500

/* In place of a limit: no natural column at all, but twins (LOADER_SCHEMA=frozen). */
#define TABLE_FROZEN 0

enum column_type {
    COLUMN_TEXT,
    COLUMN_VARCHAR, /* max_chars; -1: none */
    COLUMN_NUMERIC, /* with a precision: takes what it holds without rounding */
    COLUMN_SMALLINT,
    COLUMN_INTEGER,
    COLUMN_BIGINT,
    COLUMN_DOUBLE,
    COLUMN_BOOLEAN,
    COLUMN_TIMESTAMPTZ,
    COLUMN_TIMESTAMP,
    COLUMN_JSON,
    COLUMN_JSONB,
    COLUMN_OTHER, /* no value converts exactly for certain: its values go to the twin */
};

struct column {
    struct view name;
    enum column_type type;
    int32_t max_chars;
    int16_t precision; /* of a numeric; 0: it has none */
    int16_t scale;
    bool is_generated; /* generated or identity: never filled */
    bool is_demoted;   /* being moved to _sdc_extra: no longer filled; set by table_new */
    bool has_default; /* a human's default: left to it by rows that do not fill the column
                       */
};

struct table;

/* `fingerprint` is the database's own digest of the live columns (empty for a table that
 * does not exist); exists: false for one that is still to be created; growth_left: how
 * many further natural columns it may get now. */
struct table_setup {
    struct view schema, name;
    const struct column *columns;
    size_t column_count;
    const struct view *demoted; /* columns whose values a human wants in _sdc_extra */
    size_t demoted_count;
    struct view fingerprint;
    bool exists, is_partitioned;
    unsigned faults; /* bits of enum table_fault (table_fault.h) */
    size_t growth_left;
};

/* Makes a table with one reference; everything is copied. */
struct table *table_new(const struct table_setup *setup);

/* The same table, closed: a plan on it adds neither natural columns nor twins (somebody
 * holds the table and it cannot be altered now). One reference of the caller's. */
struct table *table_closed(const struct table *t);

/* One more reference, and one less: the last one frees. Any thread; NULL is allowed to
 * unref. */
const struct table *table_ref(const struct table *t);
void table_unref(const struct table *t);

/* What it was made with. */
struct view table_schema(const struct table *t);
struct view table_name(const struct table *t);
struct view table_fingerprint(const struct table *t);
bool table_exists(const struct table *t);
bool table_is_partitioned(const struct table *t);
unsigned table_faults(const struct table *t);
bool table_is_closed(const struct table *t);
size_t table_growth_left(const struct table *t);

/* The columns, in the order of the setup. index < table_column_count. */
size_t table_column_count(const struct table *t);
const struct column *table_column(const struct table *t, size_t index);

/* The column of this name, or NULL; and whether its values belong into _sdc_extra. */
const struct column *table_find(const struct table *t, struct view name);
bool table_is_demoted(const struct table *t, struct view name);

/* Why a column is planned: twins and fixed columns are outside of the limits of growth.
 */
enum column_origin { COLUMN_OF_TABLE, COLUMN_FIXED, COLUMN_NATURAL, COLUMN_TWIN };

struct planned_column {
    struct column column;
    enum column_origin origin;
    struct view path; /* dotted, for the column's COMMENT; empty for system columns */
};

struct table_plan; /* one thread at a time */

/* A plan on `base` (a reference is taken). Natural columns and twins are added while base
 * and plan have fewer than max_columns together; natural ones only while growth is left.
 */
struct table_plan *table_plan_new(const struct table *base, size_t max_columns);

/* Frees the plan and gives its references back. NULL is allowed. */
void table_plan_free(struct table_plan *p);

/* The table the plan was made on. */
const struct table *table_plan_base(const struct table_plan *p);

/* Says which table made the plan true: one with every column of the plan (a reference is
 * taken, an earlier one given back). */
void table_plan_settle(struct table_plan *p, const struct table *t);

/* The table that made the plan true; the base until there is one. */
const struct table *table_plan_settled(const struct table_plan *p);

/* The index of a column by name: 0 .. base count-1 are the base's, then the planned ones
 * in order; -1: there is none. */
int table_plan_find(const struct table_plan *p, struct view name);

/* Plans a column and returns its index; -1 when a limit forbids it (never for
 * COLUMN_FIXED). Name and path are copied. The name must not exist yet. */
int table_plan_add(struct table_plan *p, struct view name, enum column_type type,
                   enum column_origin origin, struct view path);

/* Columns by index, the base's and the planned ones. index < table_plan_count. Pointers
 * stay valid until the plan's end. */
const struct column *table_plan_column(const struct table_plan *p, size_t index);
size_t table_plan_count(const struct table_plan *p);

/* The planned columns only, in the order in which they were added. */
size_t table_plan_added(const struct table_plan *p);
const struct planned_column *table_plan_added_at(const struct table_plan *p, size_t i);

#endif

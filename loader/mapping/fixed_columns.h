/* fixed_columns: the columns that every table has from its first event on (mapping.md,
 * section 4).
 *
 * A data table: name, type, the path it is filled from, the tables that have it. Their
 * order is the order in which a new table gets them: the key, who, when, what the call is
 * about, then the system columns. Which value goes in is decided elsewhere. Pure.
 */
#ifndef LOADER_MAPPING_FIXED_COLUMNS_H
#define LOADER_MAPPING_FIXED_COLUMNS_H

#include "loader/mapping/table.h"

#include "common/contract/event_type.h"

enum fixed_column {
    FIXED_MESSAGE_ID,
    FIXED_TYPE,
    FIXED_USER_ID,
    FIXED_ANONYMOUS_ID,
    FIXED_CHANNEL,
    FIXED_VERSION,
    FIXED_RECEIVED_AT,
    FIXED_SENT_AT,
    FIXED_TIMESTAMP,
    FIXED_ORIGINAL_TIMESTAMP,
    FIXED_EVENT,
    FIXED_NAME,
    FIXED_CATEGORY,
    FIXED_GROUP_ID,
    FIXED_PREVIOUS_ID,
    FIXED_SDC_RECEIVED_AT,
    FIXED_SDC_BATCHED_AT,
    FIXED_SDC_SEQUENCE,
    FIXED_SDC_TABLE_VERSION,
    FIXED_SDC_EXTRA,
    FIXED_COLUMNS,
    FIXED_NONE = FIXED_COLUMNS,
};

struct fixed_column_info {
    struct view name;
    struct view path; /* for the COMMENT; empty for system columns */
    enum column_type type;
    unsigned tables; /* bit per event_type */
};

/* What is known of a fixed column. */
const struct fixed_column_info *fixed_column_info(enum fixed_column column);

/* The fixed column of this name in any table, else FIXED_NONE. */
enum fixed_column fixed_column_find(struct view name);

/* Plans the fixed columns that the table of `type` lacks: all of them for a new table. In
 * one that exists message_id is not added: whether such a table can be loaded at all is
 * for `check` to say. Called for each event; looks things up once a plan. */
void fixed_columns_plan(struct table_plan *plan, enum event_type type);

/* The index of a fixed column in a plan after fixed_columns_plan; -1: this table has
 * none. */
int fixed_column_index(struct table_plan *plan, enum fixed_column column);

#endif

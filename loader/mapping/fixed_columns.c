#include "loader/mapping/fixed_columns.h"

#include "loader/mapping/table_plan.h"

_Static_assert(FIXED_COLUMNS <= TABLE_PLAN_SLOTS,
               "a slot of the plan for each fixed column");

#define BIT(type) (1u << (type))
#define ALL_TABLES (BIT(EVENT_DATA_TYPES) - 1)

#define FIXED(column_name, column_path, column_type, in_tables)                          \
    {                                                                                    \
        VIEW_LITERAL(column_name), VIEW_LITERAL(column_path), column_type, in_tables     \
    }

/* In the order of enum fixed_column. */
static const struct fixed_column_info fixed[FIXED_COLUMNS] = {
    [FIXED_MESSAGE_ID] = FIXED("message_id", "messageId", COLUMN_TEXT, ALL_TABLES),
    [FIXED_TYPE] = FIXED("type", "type", COLUMN_TEXT, ALL_TABLES),
    [FIXED_USER_ID] = FIXED("user_id", "userId", COLUMN_TEXT, ALL_TABLES),
    [FIXED_ANONYMOUS_ID] = FIXED("anonymous_id", "anonymousId", COLUMN_TEXT, ALL_TABLES),
    [FIXED_CHANNEL] = FIXED("channel", "channel", COLUMN_TEXT, ALL_TABLES),
    [FIXED_VERSION] = FIXED("version", "version", COLUMN_TEXT, ALL_TABLES),
    [FIXED_RECEIVED_AT] =
        FIXED("received_at", "receivedAt", COLUMN_TIMESTAMPTZ, ALL_TABLES),
    [FIXED_SENT_AT] = FIXED("sent_at", "sentAt", COLUMN_TIMESTAMPTZ, ALL_TABLES),
    [FIXED_TIMESTAMP] = FIXED("timestamp", "timestamp", COLUMN_TIMESTAMPTZ, ALL_TABLES),
    [FIXED_ORIGINAL_TIMESTAMP] =
        FIXED("original_timestamp", "originalTimestamp", COLUMN_TIMESTAMPTZ, ALL_TABLES),
    [FIXED_EVENT] = FIXED("event", "event", COLUMN_TEXT, BIT(EVENT_TRACK)),
    [FIXED_NAME] =
        FIXED("name", "name", COLUMN_TEXT, BIT(EVENT_PAGE) | BIT(EVENT_SCREEN)),
    [FIXED_CATEGORY] =
        FIXED("category", "category", COLUMN_TEXT, BIT(EVENT_PAGE) | BIT(EVENT_SCREEN)),
    [FIXED_GROUP_ID] = FIXED("group_id", "groupId", COLUMN_TEXT, BIT(EVENT_GROUP)),
    [FIXED_PREVIOUS_ID] =
        FIXED("previous_id", "previousId", COLUMN_TEXT, BIT(EVENT_ALIAS)),
    [FIXED_SDC_RECEIVED_AT] =
        FIXED("_sdc_received_at", "", COLUMN_TIMESTAMPTZ, ALL_TABLES),
    [FIXED_SDC_BATCHED_AT] = FIXED("_sdc_batched_at", "", COLUMN_TIMESTAMPTZ, ALL_TABLES),
    [FIXED_SDC_SEQUENCE] = FIXED("_sdc_sequence", "", COLUMN_BIGINT, ALL_TABLES),
    [FIXED_SDC_TABLE_VERSION] =
        FIXED("_sdc_table_version", "", COLUMN_BIGINT, ALL_TABLES),
    [FIXED_SDC_EXTRA] = FIXED("_sdc_extra", "", COLUMN_JSONB, ALL_TABLES),
};

const struct fixed_column_info *fixed_column_info(enum fixed_column column)
{
    return &fixed[column];
}

enum fixed_column fixed_column_find(struct view name)
{
    for (unsigned i = 0; i < FIXED_COLUMNS; i++) {
        if (view_equal(fixed[i].name, name)) {
            return (enum fixed_column)i;
        }
    }
    return FIXED_NONE;
}

/* A column of this name counts whatever its type: the table decides. */
static int find_or_plan(struct table_plan *plan, enum fixed_column column)
{
    const struct fixed_column_info *info = &fixed[column];
    int index = table_plan_find(plan, info->name);
    bool may_add = column != FIXED_MESSAGE_ID || !table_exists(table_plan_base(plan));
    if (index < 0 && may_add) {
        index = table_plan_add(plan, info->name, info->type, COLUMN_FIXED, info->path);
    }
    return index;
}

/* The first slot says whether the plan has been seen before. */
void fixed_columns_plan(struct table_plan *plan, enum event_type type)
{
    int *index = table_plan_slots(plan);
    if (index[0] != TABLE_PLAN_SLOT_UNSET) {
        return;
    }
    for (unsigned i = 0; i < FIXED_COLUMNS; i++) {
        bool is_ours = (fixed[i].tables & BIT(type)) != 0;
        index[i] = is_ours ? find_or_plan(plan, (enum fixed_column)i) : -1;
    }
}

int fixed_column_index(struct table_plan *plan, enum fixed_column column)
{
    return table_plan_slots(plan)[column];
}

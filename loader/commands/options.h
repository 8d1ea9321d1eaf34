/* options: the loader's configuration: one struct, one table (interface.md, section 2).
 */
#ifndef LOADER_COMMANDS_OPTIONS_H
#define LOADER_COMMANDS_OPTIONS_H

#include "common/service/command.h"

#include <stdint.h>

struct loader_options {
    char *kafka_brokers;
    char *topic_prefix;
    char *kafka_config_file;
    unsigned log_level;      /* enum log_level */
    unsigned log_format;     /* enum log_format */
    char *database_url;      /* NULL: libpq's own defaults and PG* variables */
    char *database_url_file; /* where it came from, and comes from again; or NULL */
    char *admin_listen;
    char *group;
    uint64_t batch_rows;
    uint64_t batch_bytes;
    uint64_t batch_age_ms;
    unsigned duplicates;     /* enum loader_duplicates */
    char *integration_names; /* comma-separated */
    unsigned schema_mode;    /* enum loader_schema_mode */
    uint64_t new_columns_per_hour;
    char *accept_gap;     /* TOPIC:PARTITION,.. */
    char *accept_new_log; /* TOPIC,.. */
    char *grant_select;   /* role,.. */
    uint64_t max_columns;
    char *ignore_paths; /* comma-separated dotted paths */
};

enum loader_duplicates { DUPLICATES_OLDEST, DUPLICATES_NEWEST };
enum loader_schema_mode { SCHEMA_OPEN, SCHEMA_FROZEN };

extern const struct option_table loader_option_table;

/* What no single option shows: appends mistakes. */
void loader_options_check(const void *config, struct buf *mistakes);

/* "a,b,c" as a NULL-ended list of strings; NULL gives an empty list. Free it with
 * loader_options_free_list. */
char **loader_options_list(const char *comma_separated);
void loader_options_free_list(char **list);

#endif

/* commands: what `backstitch-loader` can be told to do. Each returns an exit code (enum
 * command_exit). */
#ifndef LOADER_COMMANDS_COMMANDS_H
#define LOADER_COMMANDS_COMMANDS_H

#include "common/service/command.h"

/* Loads until it is told to stop. */
int command_run(const struct command_call *call);

/* Validates the configuration, connects to Kafka and PostgreSQL, and names every right
 * and topic that is missing. With --schema it also tells what will become of an existing
 * schema's tables. */
int command_check(const struct command_call *call);

struct check_flags {
    char *schema;
};

/* Prints what is not loaded yet, what waits or stands and why, and how fresh the tables
 * are; with --partitions every partition's position, log end, lag and owner. */
int command_status(const struct command_call *call);

struct status_flags {
    bool partitions;
};

/* Prints which column each dotted path gets, and why. */
int command_names(const struct command_call *call);

/* Lists the columns of tables; moves a path's values between _sdc_extra and a column. */
int command_columns_list(const struct command_call *call);
int command_columns_promote(const struct command_call *call);
int command_columns_demote(const struct command_call *call);

struct columns_flags {
    char *schema;
    char *table;
    unsigned type; /* of `promote`: enum columns_type */
    char *path;    /* of `demote` */
    bool extra;    /* of `list` */
};

/* What `promote --type` takes. */
enum columns_type {
    COLUMNS_AUTO, /* follows from the values */
    COLUMNS_TEXT,
    COLUMNS_NUMERIC,
    COLUMNS_BOOLEAN,
    COLUMNS_TIMESTAMPTZ,
    COLUMNS_JSONB,
};

#endif

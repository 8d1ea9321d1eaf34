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

/* Reads records of the log again: shows the plan, executes it, goes on with a run. */
int command_replay(const struct command_call *call);

struct replay_flags {
    char *topic, *partition; /* a,b,c */
    char *from_time, *from_offset, *until_time, *until_offset;
    bool from_earliest, until_now;
    char *source, *type, *message_id; /* a,b,c */
    char *message_ids_from;           /* a file, one id a line; "-": stdin */
    char *target_schema;
    bool fresh_types, overwrite, allow_partial;
    char *rate; /* "2000/s" */
    bool execute;
    char *resume; /* a run */
    bool swap;
    bool list;
};

/* Deletes the rows of users who asked for it, and reports. */
int command_erase(const struct command_call *call);

struct erase_flags {
    char *user_id; /* a request of now */
    char *schema;  /* only of this one */
    bool dry_run;
};

/* Proves by message id that what is in the log has ended where it should. */
int command_audit(const struct command_call *call);

struct audit_flags {
    char *from_time, *until_time;
    char *source, *topic, *type; /* a,b,c */
    uint64_t limit;
    char *missing_to; /* a file */
};

/* What is in _sdc_rejected: by reason; one event whole; tried again. */
int command_rejected_list(const struct command_call *call);
int command_rejected_show(const struct command_call *call);
int command_rejected_retry(const struct command_call *call);

struct rejected_flags {
    char *schema, *reason, *since, *until;
    bool execute, allow_partial; /* of retry */
};

/* What waits in Kafka for tables that cannot be loaded; letting it go. */
int command_held_list(const struct command_call *call);
int command_held_drop(const struct command_call *call);

struct held_flags {
    char *why;
    bool execute;
};

/* Drops what is over its time. */
int command_prune(const struct command_call *call);

struct prune_flags {
    uint64_t statistics_ms, replays_ms;
    uint64_t rejected_ms; /* 0: none */
    char *schema;         /* that a swap has kept */
    bool execute;
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

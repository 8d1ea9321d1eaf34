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

#endif

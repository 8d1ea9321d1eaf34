/* source_command: the `source add`, `list`, `show` and `remove` commands: the source
 * registry changed by hand. Each returns an enum command_exit. */
#ifndef INGEST_COMMANDS_SOURCE_COMMAND_H
#define INGEST_COMMANDS_SOURCE_COMMAND_H

#include "common/service/command.h"

struct source_add_flags {
    char *schema;     /* NULL: from the name */
    unsigned require; /* enum source_require */
    char *rate;       /* "100/s"; NULL: unlimited */
};

extern const struct option_table source_add_option_table;

/* Adds a source with new credentials, and prints them and what to paste where. */
int command_source_add(const struct command_call *call);

/* Prints the sources without their credentials. A missing registry has none. */
int command_source_list(const struct command_call *call);

/* Prints what `add` printed; by name or slug. */
int command_source_show(const struct command_call *call);

/* Removes a source by name or slug; its schema stays reserved to it. */
int command_source_remove(const struct command_call *call);

#endif

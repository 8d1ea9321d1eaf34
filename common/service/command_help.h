/* command_help: what --help and --version print. Only command.c includes it; texts come
 * from the program's tables. */
#ifndef COMMON_SERVICE_COMMAND_HELP_H
#define COMMON_SERVICE_COMMAND_HELP_H

#include "common/service/command.h"

/* The whole program: usage, commands, options, exit codes. */
void command_help_program(const struct program *program, struct buf *out);

/* One command: usage, what it does, its own flags, the program's options. */
void command_help_command(const struct program *program, const struct command *command,
                          struct buf *out);

/* The commands, one a line; only those of `group` ("source") unless it is empty. */
void command_help_list(const struct program *program, struct view group, struct buf *out);

/* True when `name` is `group` followed by a space and a further word. */
bool command_help_is_in_group(const char *name, struct view group);

#endif

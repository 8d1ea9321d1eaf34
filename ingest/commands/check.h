/* check: the `check` command: is everything there that receiving events needs? */
#ifndef INGEST_COMMANDS_CHECK_H
#define INGEST_COMMANDS_CHECK_H

#include "common/service/command.h"

/* Prints one finding a line, or all as JSON; DONE when none is a problem, else FAILED. */
int command_check(const struct command_call *call);

#endif

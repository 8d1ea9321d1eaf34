/* serve: the `serve` command: builds ingest in order, runs it until told to stop, drains,
 * and takes it down in reverse.
 */
#ifndef INGEST_COMMANDS_SERVE_H
#define INGEST_COMMANDS_SERVE_H

#include "common/service/command.h"

/* Receives events until told to stop. */
int command_serve(const struct command_call *call);

#endif

/* drain: the `drain` command: empties a spool that was left behind, and exits. */
#ifndef INGEST_COMMANDS_DRAIN_H
#define INGEST_COMMANDS_DRAIN_H

#include "common/service/command.h"

struct drain_flags {
    uint64_t timeout_ms;
};

extern const struct option_table drain_option_table;

/* DONE when the folder is empty; WORK_LEFT when records are left at the time-out or when
 * it was asked to stop; FAILED when the folder is in use, or when all is delivered but
 * for files that cannot be read. */
int command_drain(const struct command_call *call);

#endif

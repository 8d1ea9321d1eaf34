/* audit_report: what `audit` prints: the table by table and day, the ids that are
 * missing, and the command that loads exactly those. Missing ids are kept in a file of no
 * name until then: memory is bounded however many they are.
 */
#ifndef LOADER_COMMANDS_AUDIT_REPORT_H
#define LOADER_COMMANDS_AUDIT_REPORT_H

#include "loader/commands/commands.h"
#include "loader/commands/replay_plan.h"
#include "loader/load/audit_tally.h"

#include <stdio.h>

struct audit_report {
    const struct command_call *call;
    struct audit_tally tally;
    FILE *missing; /* a line each: "table TAB topic:partition:offset TAB id" */
};

/* Begins with nothing; close frees it. */
MUST_CHECK bool audit_report_open(struct audit_report *r, const struct command_call *call,
                                  struct error *err);
/* Frees all, and the file with it. */
void audit_report_close(struct audit_report *r);

/* This record's event is nowhere. */
void audit_report_missing(struct audit_report *r, const struct log_record *record,
                          struct view schema, struct view table, struct view id);

/* Prints all; writes --missing-to. */
MUST_CHECK bool audit_report_print(struct audit_report *r, struct replay_plan *plan,
                                   bool was_stopped, struct error *err);

#endif

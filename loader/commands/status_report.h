/* status_report: what `status` says, as text for people and as JSON for programs.
 */
#ifndef LOADER_COMMANDS_STATUS_REPORT_H
#define LOADER_COMMANDS_STATUS_REPORT_H

#include "loader/consume/log_bounds.h"
#include "loader/postgres/connection.h"

/* What was asked; results are NULL when no loader has ever used the database. Borrowed.
 */
struct status_report {
    const char *group, *topic_prefix;
    const struct log_bounds *log;
    struct pg_result *positions; /* topic, partition, next offset, owner, updated at */
    struct pg_result *held; /* schema, table, partitions, offsets, since, code, reason */
    struct pg_result *freshness; /* seconds of the slowest event, since the last load */
};

/* A summary: lag by topic, what waits, what stands and what to do, freshness; with
 * `partitions` each partition too. On stdout. */
void status_report_print(const struct status_report *r, bool partitions);

/* The same as one JSON document. */
void status_report_json(const struct status_report *r, bool partitions);

#endif

/* shared: what the commands that look or repair have in common: how they ask Kafka and
 * the database, log, and tell a failure.
 */
#ifndef LOADER_COMMANDS_SHARED_H
#define LOADER_COMMANDS_SHARED_H

#include "loader/commands/options.h"
#include "loader/consume/log_bounds.h"
#include "loader/postgres/connection.h"

#include "common/base/error.h"

/* The code of an error that is the caller's: exit code 2. */
#define SHARED_USAGE "usage"

/* Fills *err as such an error, and is false. */
#define shared_refuse_usage(err, ...)                                                    \
    error_set(err, ERROR_INVALID, ERROR_FROM_SELF, SHARED_USAGE, __VA_ARGS__)

/* How Kafka is asked. */
struct log_bounds_setup shared_log_setup(const struct loader_options *o);

/* Topics, partitions and their ends; a failure names the option. */
MUST_CHECK bool shared_read_log(const struct loader_options *o, struct log_bounds *out,
                                struct error *err);

/* Connects, and has the control schema made; a failure names the option. */
MUST_CHECK bool shared_open_database(const struct loader_options *o,
                                     struct connection *out, struct error *err);

/* For long work: on a terminal the bar tells what goes on, and only warnings stand beside
 * it. */
void shared_configure_log(const struct loader_options *o);

/* Tells a failure of this command on stderr; returns the exit code. */
int shared_fail(const struct command_call *call, const struct error *err);

#endif

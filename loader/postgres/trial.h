/* trial: finds the rows that a table refuses, without loading any.
 *
 * One transaction, rolled back in the end: first a row of our own, then the rows in the
 * staged way, each part behind a savepoint; a part that is refused is halved until each
 * refused row is alone, a part that is taken stays, so that rows which are refused only
 * beside others are found as well. Rows that may be too wide for a page come last and
 * apart, so that only those are halved for it. However many rows are refused, it is one
 * transaction. One connection, one thread.
 */
#ifndef LOADER_POSTGRES_TRIAL_H
#define LOADER_POSTGRES_TRIAL_H

#include "loader/postgres/load.h"

/* As the port's `try_rows` says (sink.h). */
MUST_CHECK bool trial_run(const struct load_setup *setup, const struct sink_rows *rows,
                          struct sink_trial *out, struct error *err);

#endif

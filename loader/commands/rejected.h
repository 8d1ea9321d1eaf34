/* rejected: which rejected events are meant, for the `rejected` commands.
 */
#ifndef LOADER_COMMANDS_REJECTED_H
#define LOADER_COMMANDS_REJECTED_H

#include "loader/commands/commands.h"
#include "loader/commands/shared.h"

/* What is asked of them: SELECT `columns` FROM those that are meant, `tail` behind it. */
struct rejected_question {
    const struct rejected_flags *flags;
    const char *message_id; /* NULL: any */
    const char *columns;    /* of _sdc_rejected, and "schema" */
    const char *tail;       /* AND .., ORDER BY .. */
};

/* Asks; a mistake of usage when a flag is wrong. */
MUST_CHECK bool rejected_query(struct connection *c, const struct rejected_question *q,
                               struct pg_result **out, struct error *err);

#endif

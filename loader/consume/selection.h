/* selection: which records of the log a replay wants: by source, type, message id, or
 * place in the log.
 *
 * Every criterion that is set must hold; within one, any of its values will do. It is
 * kept with the run as text, one criterion a line ("source shop"), so that whoever
 * resumes needs nothing else. Filled, sealed, then only read.
 */
#ifndef LOADER_CONSUME_SELECTION_H
#define LOADER_CONSUME_SELECTION_H

#include "loader/load/log_record.h"

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stddef.h>

enum selection_kind {
    SELECTION_SOURCE,     /* slug or schema */
    SELECTION_TYPE,       /* "track", .. */
    SELECTION_MESSAGE_ID, /* as the record's key has it */
    SELECTION_PLACE,      /* "TOPIC:PARTITION:OFFSET" */
};

#define SELECTION_KINDS 4

struct selection_set {
    char **values; /* sorted when sealed */
    size_t count, capacity;
};

struct selection {
    struct selection_set sets[SELECTION_KINDS]; /* by kind; empty: any value will do */
};

/* Adds a value, which holds no line break. */
void selection_add(struct selection *s, enum selection_kind kind, struct view value);

/* After the last value and before the first question: sorts, and drops what is there
 * twice. */
void selection_seal(struct selection *s);

/* Is it one of those? */
bool selection_wants(const struct selection *s, const struct log_record *r);

/* As text, and back (sealed): INVALID when it is not what was written. */
void selection_write(const struct selection *s, struct buf *out);
MUST_CHECK bool selection_read(struct selection *s, const char *text, struct error *err);

/* What people read: "source shop; 30 message ids"; "every record". */
void selection_describe(const struct selection *s, struct buf *out);

/* Frees the values; the selection wants every record again. */
void selection_release(struct selection *s);

#endif

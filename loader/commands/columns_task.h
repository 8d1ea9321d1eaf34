/* columns_task: what the `columns` commands share: a connection, a table, and moving its
 * rows step by step while others use it.
 *
 * One thread, one task a process. Errors are returned; the commands print them.
 */
#ifndef LOADER_COMMANDS_COLUMNS_TASK_H
#define LOADER_COMMANDS_COLUMNS_TASK_H

#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/postgres/column_move.h"

/* The code of an error in how the command was called. */
#define COLUMNS_USAGE "usage"

struct columns_task {
    const struct command_call *call;
    struct connection connection;
    struct buf schema, table_name;
    struct table *table; /* as it is now */
    struct buf path;     /* dotted, as stored */
    struct buf column;
    enum column_type type; /* of the column, if it is to be made */
    struct column_move move;
    bool is_moving;   /* `move` has begun */
    bool was_stopped; /* by a signal, at the end of a step */
};

/* Something that is done under the lock for DDL. */
typedef bool (*columns_ddl)(struct columns_task *t, struct error *err);

/* A step of a move: column_move_promote or column_move_demote. */
typedef bool (*columns_step)(struct column_move *m, bool *out_is_over, struct error *err);

/* Connects, and asks whether the control schema is there: without it nothing was ever
 * loaded. */
MUST_CHECK bool columns_connect(struct connection *c, const struct loader_options *o,
                                struct error *err);

/* Begins: signals, connection, and the table of --schema and --table; INVALID with code
 * COLUMNS_USAGE when they do not say which. */
MUST_CHECK bool columns_begin(struct columns_task *t, const struct command_call *call,
                              struct error *err);

/* Tells the end (one line, or one document), closes everything. `verb` is what was done:
 * "promoted". Returns the exit code. */
int columns_end(struct columns_task *t, const char *verb, bool done,
                const struct error *err);

/* Does it, again each second for a minute while others hold the table, and reads the
 * table afterwards. */
MUST_CHECK bool columns_do_ddl(struct columns_task *t, columns_ddl ddl,
                               struct error *err);

/* Makes what the move needs and the table lacks: the column, the twin. */
bool columns_make(struct columns_task *t, struct error *err);

/* Moves from the first row to the last, or to a signal. */
MUST_CHECK bool columns_walk(struct columns_task *t, columns_step step,
                             struct error *err);

/* Fills *err: "WHAT: text"; returns false. */
bool columns_refuse(struct error *err, struct view what, const char *text);

#endif

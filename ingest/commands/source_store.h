/* source_store: what the `source` commands share: the registry's file read, changed under
 * its lock, and what a command prints of it.
 *
 * stdout gets the command's result alone (text, one JSON document, or one Kubernetes
 * Secret); what a person must know beside it goes to stderr. One thread.
 */
#ifndef INGEST_COMMANDS_SOURCE_STORE_H
#define INGEST_COMMANDS_SOURCE_STORE_H

#include "ingest/commands/options.h"
#include "ingest/registry/source_list.h"

#include "common/service/command.h"

/* A line on stderr: program, text (escaped: it may quote names and paths). */
void source_store_tell(const struct command_call *call, const char *text);

/* Tells the error; returns `code`. */
int source_store_fail(const struct command_call *call, int code, const struct error *err);

/* Prints and releases the text. An enum command_exit: a full disk is a failure. */
int source_store_print(struct buf *text);

/* INGEST_SOURCES_FILE. */
const char *source_store_path(const struct command_call *call);

/* Reads the registry into the empty *out; one that is not there yet is an empty one.
 * Warns when every user can read it. */
MUST_CHECK bool source_store_read(const struct command_call *call,
                                  struct source_list *out, struct error *err);

/* The source that the command's first argument names, by name or slug. INVALID: there is
 * none; says how to see those there are. */
MUST_CHECK bool source_store_find(const struct command_call *call,
                                  const struct source_list *list,
                                  const struct source **out, struct error *err);

/* What a command does to the registry and tells of it. */
struct source_change {
    /* Changes the list. EXIT_DONE, or what the command is to exit with, and *err. */
    int (*apply)(const struct command_call *call, struct source_list *list,
                 struct error *err);
    /* Appends what is printed of the changed list. */
    void (*report)(const struct command_call *call, const struct source_list *list,
                   struct buf *out);
    bool needs_source;  /* a registry that is not there yet cannot hold it */
    bool as_kubernetes; /* print the whole registry as a Secret, instead of the report */
};

/* Reads the registry under its lock, changes it, writes it, prints. Returns the command's
 * exit code; unless that is EXIT_DONE the file is as it was, or stdout took nothing. */
int source_store_change(const struct command_call *call,
                        const struct source_change *change);

#endif

/* source_command: the `source` commands: the source registry looked at and changed by
 * hand. Each returns an enum command_exit; those that change it may print the registry as
 * a Kubernetes Secret instead of what they say here. */
#ifndef INGEST_COMMANDS_SOURCE_COMMAND_H
#define INGEST_COMMANDS_SOURCE_COMMAND_H

#include "common/service/command.h"

#include <stdbool.h>

struct source_add_flags {
    char *schema;     /* NULL: from the name */
    unsigned require; /* enum source_require */
    char *rate;       /* "100/s"; NULL: unlimited */
    bool kubernetes;
};

struct source_rotate_flags {
    bool token, secret, write_key; /* none: all three kinds */
    bool retire;                   /* forget the old ones instead of making new ones */
    bool kubernetes;
};

struct source_connect_flags {
    char *token_file;     /* holds a token of Segment's Public API */
    char *segment_source; /* slug or id in Segment; NULL: list them */
    char *segment_api;    /* the API's address */
};

struct source_remove_flags {
    bool kubernetes;
};

extern const struct option_table source_add_option_table;
extern const struct option_table source_rotate_option_table;
extern const struct option_table source_remove_option_table;
extern const struct option_table source_connect_option_table;

/* Adds a source with new credentials, and prints them and what to paste where. */
int command_source_add(const struct command_call *call);

/* Prints the sources without their credentials. A missing registry has none. */
int command_source_list(const struct command_call *call);

/* Prints what `add` printed; by name or slug. */
int command_source_show(const struct command_call *call);

/* Gives a source new credentials beside those it has, or retires the older ones; prints
 * what `add` printed, with the newest. */
int command_source_rotate(const struct command_call *call);

/* By Segment's Public API: lists the workspace's sources, or makes the webhook
 * destination of one of them, with its mapping, and switches it on. Again: brings it up
 * to date. */
int command_source_connect(const struct command_call *call);

/* Removes a source by name or slug; its schema stays reserved to it. */
int command_source_remove(const struct command_call *call);

#endif

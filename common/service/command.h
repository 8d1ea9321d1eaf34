/* command: the command line of a process: subcommands, --help, --version, exit codes.
 *
 * A program is a table of commands over one table of options (options.h). command_main
 * finds the command (one or two words; none: the default command), reads environment and
 * flags, reports all mistakes at once, and calls it. A command's own flags stand behind
 * its name and hide the program's of the same name; other flags stand anywhere; "--" ends
 * them. Help and version go to stdout with exit code 0, whatever else is wrong; mistakes
 * to stderr with exit code 2.
 */
#ifndef COMMON_SERVICE_COMMAND_H
#define COMMON_SERVICE_COMMAND_H

#include "common/service/options.h"

enum command_exit {
    EXIT_DONE = 0,      /* done, or stopped as asked */
    EXIT_FAILED = 1,    /* failed at run time */
    EXIT_USAGE = 2,     /* bad usage or configuration */
    EXIT_WORK_LEFT = 3, /* stopped with work left: it will be redelivered */
};

struct command;
struct program;

struct command_call {
    const struct program *program;
    const struct command *command;
    const void *config; /* the program's config struct, filled */
    const void *flags; /* the command's own flags struct, filled; NULL when it has none */
    char *const *args; /* positional arguments, as many as the command takes */
    int arg_count;
    bool json; /* --json was given: print one JSON document on stdout, nothing else */
};

struct command {
    const char *name;      /* "serve", "source add" */
    const char *arguments; /* for the usage line: "NAME", "KEY..."; NULL: none */
    int min_args, max_args;
    const char *summary; /* one line */
    const char *details; /* further text of its --help, may be NULL */
    struct option_table flags;
    size_t flags_size; /* of the struct the flags fill */
    bool has_json;
    int (*run)(const struct command_call *call); /* returns an enum command_exit */
};

struct program {
    const char *name; /* "backstitch-ingest" */
    const char *summary;
    struct option_table options;
    size_t config_size;
    /* Checks that no single option can see (may be NULL): appends mistakes, one line
     * each. Called beside other mistakes too: a refused option has its default, a missing
     * one is NULL. */
    void (*check_config)(const void *config, struct buf *mistakes);
    const struct command *commands; /* the first is the default */
    size_t command_count;
};

/* Runs the program; returns the exit code. `--help-markdown` prints the option table as
 * the README has it. */
int command_main(const struct program *program, int argc, char **argv);

#endif

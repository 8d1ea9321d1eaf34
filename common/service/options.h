/* options: one typed table gives flags, environment, defaults, checks, help, documents.
 *
 * Each entry writes one member of a plain config struct (offsetof). Order: flag, then
 * environment (empty counts as unset), then default. A flag is the environment name in
 * lower case with dashes and without the process prefix: INGEST_SPOOL_DIR is --spool-dir,
 * KAFKA_BROKERS is --kafka-brokers; "--flag=value" and "--flag value" are the same.
 * Secrets come from the environment or a file it names, never from a flag (`ps` shows
 * flags). All mistakes are collected, each with option, value, what is accepted and an
 * example. One thread, at start.
 */
#ifndef COMMON_SERVICE_OPTIONS_H
#define COMMON_SERVICE_OPTIONS_H

#include "common/base/buf.h"
#include "common/service/nearest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_TEXT,     /* char * (owned by the config; NULL when unset) */
    OPTION_DURATION, /* uint64_t, milliseconds */
    OPTION_SIZE,     /* uint64_t, bytes */
    OPTION_COUNT,    /* uint64_t */
    OPTION_CHOICE,   /* unsigned: index into choices */
    OPTION_LISTEN,   /* char *, "address:port" checked; with is_list several */
    OPTION_SWITCH, /* bool: a flag without value; environment "1", "true", "0", "false" */
};

struct option {
    const char *env; /* for a command's own flags: the flag's name without "--" */
    enum option_type type;
    bool is_required;
    bool is_secret;             /* environment only; shown as *** */
    bool has_file_variant;      /* NAME_FILE names a file that holds the value */
    bool is_list;               /* of OPTION_LISTEN: several, joined by ',' */
    size_t offset;              /* of the member in the config struct */
    size_t file_offset;         /* of a char * that keeps the path of NAME_FILE, for who
                                   reads it again; 0: not kept */
    const char *fallback;       /* default, as typed; NULL: unset (0, NULL, false) */
    uint64_t min, max;          /* durations in ms, sizes in bytes; max 0: no limit */
    const char *const *choices; /* NULL-ended */
    const char *value_name;     /* in --help: "DIR", "PORT"; NULL: by type */
    const char *help;           /* one sentence without a full stop at its end */
};

struct option_table {
    const char *env_prefix; /* "INGEST_": not in flags; NULL for a command's own flags */
    const struct option *options;
    size_t count;
};

/* Sets `config` (zeroed by the caller) to defaults, then environment. Mistakes are
 * appended, one line each: refused values, unreadable secret files, variables with our
 * prefix that no option knows. The caller goes on to flags and reports all at the end. */
void options_read_environment(const struct option_table *table, void *config,
                              struct buf *mistakes);

/* Tries argv[*index] as a flag of the table; when it is one, sets the member or appends a
 * mistake, and moves *index behind what was used. False: no flag of this table. */
bool options_read_flag(const struct option_table *table, void *config, int argc,
                       char *const *argv, int *index, struct buf *mistakes);

/* Offers the table's flags, without "--", to a search for the one that was meant. */
void options_offer_flags(const struct option_table *table, struct nearest *n);

/* Members still unset though required: appended to `mistakes`. Call after flags. */
void options_check_required(const struct option_table *table, const void *config,
                            struct buf *mistakes);

/* Frees the strings of a config struct. */
void options_release(const struct option_table *table, void *config);

/* The part of --help that lists the table; widths fit 100 columns. */
void options_write_help(const struct option_table *table, struct buf *out);

/* The same as a Markdown table: what the README shows. */
void options_write_markdown(const struct option_table *table, struct buf *out);

/* A line "configuration" at debug level for each option in force, secrets masked. */
void options_log(const struct option_table *table, const void *config);

#endif

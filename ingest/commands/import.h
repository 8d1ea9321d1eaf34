/* import: the `import` command: history from files into the same topics, through the same
 * checks (operations.md, section 6). */
#ifndef INGEST_COMMANDS_IMPORT_H
#define INGEST_COMMANDS_IMPORT_H

#include "common/service/command.h"

struct import_flags {
    char *source;
    char *rate;          /* "2000/s" */
    char *progress_file; /* import_places.h */
    bool again;
    bool dry_run;
};

extern const struct option_table import_option_table;

/* DONE when every line is in Kafka; FAILED when a file could not be read to its end, the
 * others are imported all the same; WORK_LEFT when it was asked to stop. */
int command_import(const struct command_call *call);

#endif

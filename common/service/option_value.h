/* option_value: one option's text: read, checked, described, shown.
 *
 * The part that options.c (reading) and options_help.c (showing) share; nobody else
 * includes it. One thread, at start.
 */
#ifndef COMMON_SERVICE_OPTION_VALUE_H
#define COMMON_SERVICE_OPTION_VALUE_H

#include "common/base/view.h"
#include "common/service/options.h"

#define OPTION_FLAG_BYTES 80

/* The flag without "--": INGEST_SPOOL_DIR gives "spool-dir". */
void option_value_flag(const struct option_table *table, const struct option *o,
                       char out[OPTION_FLAG_BYTES]);

/* Sets the option's member of `config` from `text`. When the text is refused the member
 * stays and a mistake is appended: `name` (what the user typed: environment or flag), the
 * value, why, what is accepted and an example. */
void option_value_set(const struct option *o, void *config, const char *name,
                      struct view text, struct buf *mistakes);

/* What is accepted, such as "a size from 1KiB to 1GiB". */
void option_value_describe(const struct option *o, struct buf *out);

/* The value in force; secrets as ***, unset text as nothing. */
void option_value_show(const struct option *o, const void *config, struct buf *out);

/* The option's member of a config struct. */
void *option_value_member(const struct option *o, void *config);
const void *option_value_member_const(const struct option *o, const void *config);

#endif

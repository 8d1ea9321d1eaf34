/* findings: what a `check` command found: a line each on stdout, or one JSON document
 * {"ok","findings":[{"what","ok","message"}]}.
 *
 * One thread. Begin, add, end.
 */
#ifndef COMMON_SERVICE_FINDINGS_H
#define COMMON_SERVICE_FINDINGS_H

#include "common/base/error.h"

#include <stdbool.h>

struct json_object;

struct findings {
    struct json_object *list; /* NULL: lines are printed as they come */
    bool all_ok;
};

/* Begins; `json`: everything is printed at the end, as one document. */
void findings_begin(struct findings *f, bool json);

/* Adds one: `what` is the part looked at; the message says what is wrong and what to do.
 */
void findings_add(struct findings *f, const char *what, bool ok, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Ends; the command's exit code: failed when there was a problem, or stdout took nothing.
 */
int findings_end(struct findings *f);

#endif

/* report_rows: a query's rows as JSON, for the commands that list.
 */
#ifndef LOADER_COMMANDS_REPORT_ROWS_H
#define LOADER_COMMANDS_REPORT_ROWS_H

#include "loader/postgres/connection.h"

#include <stddef.h>

struct json_object;

/* One of a row's fields, in the query's order. */
struct report_column {
    const char *name; /* in the document */
    bool is_number;   /* a whole one; else text. NULL is null */
};

/* A new array with an object for each row; the caller puts it. */
struct json_object *report_rows(const struct pg_result *r,
                                const struct report_column *columns, size_t count);

/* Prints {"NAME": value} on stdout, and puts the value. */
void report_print(const char *name, struct json_object *value);

#endif

/* database_url: the URL of the database, from an option or from a file that may change.
 *
 * Kubernetes swaps a mounted Secret under a running program, and a password is rotated
 * without a restart: the file is read again before each connection. What cannot be read
 * or is no URL leaves the last good one in force and is said once
 * (`database_url_not_read`). One thread.
 */
#ifndef LOADER_POSTGRES_DATABASE_URL_H
#define LOADER_POSTGRES_DATABASE_URL_H

#include <stdbool.h>

struct database_url {
    char *value;      /* owned; NULL: libpq's own defaults */
    const char *file; /* borrowed; NULL: the value never changes */
    bool is_refused;  /* what the file holds now, and that was said */
};

/* `value` is copied; `file` (DATABASE_URL_FILE, NULL without one) must outlive it. */
void database_url_init(struct database_url *u, const char *value, const char *file);

/* The URL in force now; valid until the next call. NULL: libpq's own defaults. */
const char *database_url_now(struct database_url *u);

/* Frees the value. */
void database_url_release(struct database_url *u);

#endif

#include "loader/postgres/database_url.h"

#include "loader/postgres/connection.h"

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <stdlib.h>
#include <string.h>

/* A URL is far shorter; a longer file is the wrong file (as common/service/options). */
#define MAX_BYTES 65536

void database_url_init(struct database_url *u, const char *value, const char *file)
{
    *u = (struct database_url){ .value = value == NULL ? NULL : mem_strdup(value),
                                .file = file };
}

void database_url_release(struct database_url *u)
{
    free(u->value);
    u->value = NULL;
}

/* The file's text without line ends, NULL when it is no URL; the caller frees it. */
static char *read_url(const char *path, struct error *err)
{
    struct buf content = { 0 };
    char *url = NULL;
    if (file_read(path, MAX_BYTES, &content, err)) {
        while (content.len > 0 && strchr("\r\n", content.data[content.len - 1]) != NULL) {
            content.len--;
        }
        url = mem_strdup_view(buf_view(&content));
    }
    buf_release(&content);
    if (url != NULL && url[0] == '\0') {
        error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "the file '%s' is empty",
                  path);
    }
    if (url != NULL && (url[0] == '\0' || !connection_check_url(url, err))) {
        free(url);
        return NULL;
    }
    return url;
}

const char *database_url_now(struct database_url *u)
{
    if (u->file == NULL) {
        return u->value;
    }
    struct error err;
    char *url = read_url(u->file, &err);
    if (url == NULL) {
        if (!u->is_refused) {
            log_failure(LOG_ERROR, "database_url_not_read", &err);
        }
        u->is_refused = true;
        return u->value;
    }
    if (u->value == NULL || strcmp(url, u->value) != 0) {
        log_info("database_url_changed", log_text("file", u->file));
    }
    u->is_refused = false;
    free(u->value);
    u->value = url;
    return u->value;
}

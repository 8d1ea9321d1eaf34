#include "ingest/commands/import_places.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/parse.h"
#include "common/base/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    char *file;
    int64_t lines;
};

struct import_places {
    const char *path;
    const char *source;
    int fd;
    struct place *list;
    size_t count, capacity;
};

static bool fail(const struct import_places *p, struct error *err)
{
    return error_set_errno(err, ERROR_FATAL, errno, "--progress-file '%s'", p->path);
}

static struct place *find(const struct import_places *p, const char *file)
{
    for (size_t i = p->count; i > 0; i--) {
        if (strcmp(p->list[i - 1].file, file) == 0) {
            return &p->list[i - 1];
        }
    }
    return NULL;
}

static void set(struct import_places *p, const char *file, int64_t lines)
{
    struct place *at = find(p, file);
    if (at == NULL) {
        if (p->count == p->capacity) {
            p->capacity = p->capacity == 0 ? 16 : p->capacity * 2;
            p->list = mem_resize(p->list, p->capacity, sizeof *p->list);
        }
        at = &p->list[p->count++];
        at->file = mem_strdup(file);
    }
    at->lines = lines;
}

/* A line that is none of ours, or torn, says nothing. */
static void read_line(struct import_places *p, char *line)
{
    char *lines = strchr(line, '\t');
    char *file = lines == NULL ? NULL : strchr(lines + 1, '\t');
    char *end = file == NULL ? NULL : strchr(file + 1, '\n');
    uint64_t count = 0;
    struct error ignored;
    if (end == NULL) {
        return;
    }
    *lines++ = '\0';
    *file++ = '\0';
    *end = '\0';
    if (strcmp(line, p->source) == 0 && parse_u64(view_cstr(lines), &count, &ignored)) {
        set(p, file, (int64_t)count);
    }
}

static bool read_all(struct import_places *p, struct error *err)
{
    FILE *in = fopen(p->path, "r");
    char *line = NULL;
    size_t capacity = 0;
    if (in == NULL) {
        return errno == ENOENT || fail(p, err);
    }
    while (getline(&line, &capacity, in) >= 0) {
        read_line(p, line);
    }
    bool done = ferror(in) == 0 || fail(p, err);
    free(line);
    fclose(in);
    return done;
}

bool import_places_open(const char *path, const char *source, struct import_places **out,
                        struct error *err)
{
    struct import_places *p = mem_calloc(1, sizeof *p);
    p->path = path;
    p->source = source;
    p->fd = -1;
    *out = p;
    if (!read_all(p, err)) {
        return false;
    }
    p->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    return p->fd >= 0 || fail(p, err);
}

void import_places_close(struct import_places *p)
{
    if (p == NULL) {
        return;
    }
    if (p->fd >= 0) {
        close(p->fd);
    }
    for (size_t i = 0; i < p->count; i++) {
        free(p->list[i].file);
    }
    free(p->list);
    free(p);
}

int64_t import_places_of(const struct import_places *p, const char *file)
{
    const struct place *at = find(p, file);
    return at == NULL ? 0 : at->lines;
}

bool import_places_note(struct import_places *p, const char *file, int64_t lines,
                        struct error *err)
{
    struct buf line = { 0 };
    buf_printf(&line, "%s\t%lld\t%s\n", p->source, (long long)lines, file);
    bool done = write(p->fd, buf_view(&line).data, line.len) == (ssize_t)line.len;
    buf_release(&line);
    if (!done) {
        return fail(p, err);
    }
    set(p, file, lines);
    return true;
}

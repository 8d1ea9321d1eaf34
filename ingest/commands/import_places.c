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
    uint32_t first;
    int64_t lines;
};

struct import_places {
    const char *path;
    const char *destination;
    int fd;
    struct place *list;
    size_t count, capacity;
};

static bool fail(const struct import_places *p, struct error *err)
{
    return error_set_errno(err, ERROR_FATAL, errno, "--progress-file '%s'", p->path);
}

static struct place *find(const struct import_places *p, const char *file, uint32_t first)
{
    for (size_t i = p->count; i > 0; i--) {
        struct place *at = &p->list[i - 1];
        if (at->first == first && strcmp(at->file, file) == 0) {
            return at;
        }
    }
    return NULL;
}

static void set(struct import_places *p, const struct import_place *place)
{
    struct place *at = find(p, place->file, place->first);
    if (at == NULL) {
        if (p->count == p->capacity) {
            p->capacity = p->capacity == 0 ? 16 : p->capacity * 2;
            p->list = mem_resize(p->list, p->capacity, sizeof *p->list);
        }
        at = &p->list[p->count++];
        *at = (struct place){ .file = mem_strdup(place->file), .first = place->first };
    }
    at->lines = place->lines;
}

/* The next field, ended; NULL: there is none. */
static char *next_field(char **rest, char end)
{
    char *field = *rest;
    char *at = field == NULL ? NULL : strchr(field, end);
    if (at == NULL) {
        return NULL;
    }
    *at = '\0';
    *rest = at + 1;
    return field;
}

/* A line that is none of ours, or torn, says nothing. */
static void read_line(struct import_places *p, char *line)
{
    const char *destination = next_field(&line, '\t');
    const char *first = next_field(&line, '\t');
    const char *lines = next_field(&line, '\t');
    const char *file = next_field(&line, '\n');
    uint64_t crc = 0;
    uint64_t count = 0;
    struct error ignored;
    if (file != NULL && strcmp(destination, p->destination) == 0 &&
        parse_u64(view_cstr(first), &crc, &ignored) &&
        parse_u64(view_cstr(lines), &count, &ignored)) {
        struct import_place place = { file, (uint32_t)crc, (int64_t)count };
        set(p, &place);
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

bool import_places_open(const char *path, const char *destination,
                        struct import_places **out, struct error *err)
{
    struct import_places *p = mem_calloc(1, sizeof *p);
    p->path = path;
    p->destination = destination;
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

int64_t import_places_of(const struct import_places *p, const char *file, uint32_t first)
{
    const struct place *at = find(p, file, first);
    return at == NULL ? 0 : at->lines;
}

bool import_places_note(struct import_places *p, const struct import_place *place,
                        struct error *err)
{
    struct buf line = { 0 };
    buf_printf(&line, "%s\t%u\t%lld\t%s\n", p->destination, place->first,
               (long long)place->lines, place->file);
    bool done = write(p->fd, buf_view(&line).data, line.len) == (ssize_t)line.len;
    buf_release(&line);
    if (!done) {
        return fail(p, err);
    }
    set(p, place);
    return true;
}

#include "tests/bench/load/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_all(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *memory = NULL;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        memory = malloc((size_t)size + 1);
    }
    if (memory != NULL && fread(memory, 1, (size_t)size, file) != (size_t)size) {
        free(memory);
        memory = NULL;
    }
    fclose(file);
    *len = (size_t)size;
    return memory;
}

/* One request from *at on; moves *at behind it. */
static bool take(char **at, const char *end, struct request *out)
{
    char *newline = memchr(*at, '\n', (size_t)(end - *at));
    char *stop = NULL;
    out->len = strtoul(*at, &stop, 10);
    if (newline == NULL || stop != newline || out->len == 0 ||
        out->len > (size_t)(end - newline - 1)) {
        return false;
    }
    out->bytes = newline + 1;
    *at = newline + 1 + out->len;
    return true;
}

bool requests_load(const char *path, struct requests *out)
{
    size_t len = 0, room = 0;
    *out = (struct requests){ .memory = read_all(path, &len) };
    bool ok = out->memory != NULL;
    if (ok) {
        out->memory[len] = '\0'; /* ends the last number for strtoul */
    }
    char *at = out->memory;
    while (ok && at < out->memory + len) {
        if (out->count == room) {
            room = room * 2 + 16;
            out->list = realloc(out->list, room * sizeof *out->list);
        }
        ok = out->list != NULL && take(&at, out->memory + len, &out->list[out->count++]);
    }
    if (!ok || out->count == 0) {
        fprintf(stderr, "%s: cannot be read, or is no list of requests\n", path);
        requests_free(out);
        return false;
    }
    return true;
}

void requests_free(struct requests *r)
{
    free(r->list);
    free(r->memory);
    *r = (struct requests){ 0 };
}

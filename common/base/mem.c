#include "common/base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void mem_panic(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

static void *or_panic(void *memory)
{
    if (memory == NULL) {
        mem_panic(__FILE__, __LINE__, "out of memory");
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return or_panic(malloc(size == 0 ? 1 : size));
}

void *mem_calloc(size_t count, size_t size)
{
    if (count == 0 || size == 0) {
        count = 1;
        size = 1;
    }
    return or_panic(calloc(count, size));
}

void *mem_resize(void *old, size_t count, size_t size)
{
    REQUIRE(size == 0 || count <= SIZE_MAX / size);
    size_t bytes = count * size;
    return or_panic(realloc(old, bytes == 0 ? 1 : bytes));
}

char *mem_strdup_view(struct view text)
{
    char *copy = mem_alloc(text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strdup_view(view_cstr(text));
}

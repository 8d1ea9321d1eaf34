/* requests: the requests of a run, byte for byte, read once and sent in turn.
 *
 * The file has one after another: its length in decimal, a line end, its bytes. What is
 * in them (keep-alive or not, which credential) is the concern of who writes the file.
 * Read-only after loading, so all threads may use it.
 */
#ifndef TESTS_BENCH_LOAD_REQUESTS_H
#define TESTS_BENCH_LOAD_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>

struct request {
    const char *bytes; /* in the file's memory */
    size_t len;
};

struct requests {
    struct request *list;
    size_t count;
    char *memory;
};

/* False, with a line on stderr, when the file cannot be read or is not of that form. */
bool requests_load(const char *path, struct requests *out);

/* Frees what loading took. */
void requests_free(struct requests *r);

#endif

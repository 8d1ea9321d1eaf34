#include "common/service/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions and replacements that turn one into the other; both are shorter
 * than NEAREST_NAME_BYTES. One row of the usual matrix is kept. */
static size_t distance_of(const char *a, const char *b)
{
    size_t row[NEAREST_NAME_BYTES];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
            diagonal = row[j];
            row[j] = least(replaced, 1 + least(row[j], row[j - 1]));
        }
    }
    return row[width];
}

void nearest_init(struct nearest *n, const char *typed)
{
    *n = (struct nearest){ .typed = typed };
    /* One error in three characters still reads as the same word. */
    n->distance = strlen(typed) / 3 + 1;
}

void nearest_offer(struct nearest *n, const char *known)
{
    if (strlen(known) >= NEAREST_NAME_BYTES || strlen(n->typed) >= NEAREST_NAME_BYTES) {
        return;
    }
    size_t distance = distance_of(n->typed, known);
    if (distance < n->distance) {
        n->distance = distance;
        memcpy(n->name, known, strlen(known) + 1);
    }
}

/* nearest: "did you mean ..?" for a mistyped name.
 *
 * Offer the known names one after the other; the one with the fewest typing errors
 * (Levenshtein) is kept if it is near enough to help. Pure.
 */
#ifndef COMMON_SERVICE_NEAREST_H
#define COMMON_SERVICE_NEAREST_H

#include <stddef.h>

#define NEAREST_NAME_BYTES 80

struct nearest {
    const char *typed; /* borrowed */
    size_t distance;
    char name[NEAREST_NAME_BYTES]; /* empty: none near enough */
};

/* Begins a search for what `typed` may have meant. */
void nearest_init(struct nearest *n, const char *typed);

/* Keeps `known` when it is nearer than all names before it. Names of NEAREST_NAME_BYTES
 * and more are left out. */
void nearest_offer(struct nearest *n, const char *known);

#endif

/* fuzz: what the fuzz targets share: the entry point that libFuzzer and the replay call,
 * and reading an input piece by piece.
 *
 * A target checks what must hold for any input (REQUIRE) and leaves memory errors to the
 * sanitizers. It is deterministic and keeps nothing from one input to the next.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "common/base/mem.h"
#include "common/base/view.h"

#include <stdint.h>

/* One input; 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct view fuzz_view(const uint8_t *data, size_t size)
{
    return view_of((const char *)data, size);
}

/* The next number from `rest`, 0 when it is used up. */
static inline unsigned fuzz_byte(struct view *rest)
{
    unsigned value = rest->len > 0 ? (unsigned char)rest->data[0] : 0;
    *rest = view_skip(*rest, rest->len > 0 ? 1 : 0);
    return value;
}

/* What of `rest` stands before the next `end`, which is skipped; all when there is none.
 */
static inline struct view fuzz_until(struct view *rest, char end)
{
    const char *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;
    size_t len = at == NULL ? rest->len : (size_t)(at - rest->data);
    struct view piece = view_of(rest->data, len);
    *rest = view_skip(*rest, len + (at == NULL ? 0 : 1));
    return piece;
}

#endif

#include "common/base/crash_point.h"

#ifdef BACKSTITCH_CRASH_POINTS

#include "common/base/parse.h"
#include "common/base/view.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

void crash_point(const char *name)
{
    static _Atomic uint64_t passed;
    struct view wanted = view_cstr(getenv("CRASH_AT"));
    struct view point = view_cstr(name);
    struct view rest = { 0 };
    struct error err;
    uint64_t nth = 1;
    if (wanted.len == 0 || !view_starts_with(wanted, point)) {
        return;
    }
    rest = view_skip(wanted, point.len);
    if (rest.len > 0 &&
        (rest.data[0] != ':' || !parse_u64(view_skip(rest, 1), &nth, &err))) {
        return;
    }
    if (atomic_fetch_add(&passed, 1) + 1 == nth) {
        kill(getpid(), SIGKILL);
    }
}

#endif

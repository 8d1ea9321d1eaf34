#include "common/service/progress.h"

#include "common/base/clock.h"
#include "common/service/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_EVERY_MS 200
#define LOG_EVERY_MS 10000
#define BAR_WIDTH 30

void progress_begin(struct progress *p, const char *event, const char *unit,
                    int64_t total)
{
    int64_t now = clock_mono_ms();
    *p = (struct progress){ .event = event,
                            .unit = unit,
                            .total = total,
                            .began_mono_ms = now,
                            .shown_mono_ms = now,
                            .is_terminal = isatty(STDERR_FILENO) == 1 };
}

static int64_t rate_of(const struct progress *p, int64_t now, int64_t done)
{
    int64_t ms = now - p->began_mono_ms;
    return ms <= 0 ? 0 : done * 1000 / ms;
}

/* The total is a guess from the table's statistics: more may be done. */
static void show_bar(const struct progress *p, int64_t now, int64_t done, int64_t changed)
{
    char bar[BAR_WIDTH + 1];
    char detail[100];
    int64_t rate = rate_of(p, now, done);
    if (p->detail == NULL) {
        snprintf(detail, sizeof detail, "%lld changed", (long long)changed);
    } else {
        snprintf(detail, sizeof detail, "%s", p->detail);
    }
    if (p->total <= 0) {
        fprintf(stderr, "\r%lld %s, %s, %lld/s   ", (long long)done, p->unit, detail,
                (long long)rate);
        return;
    }
    int64_t shown = done < p->total ? done : p->total;
    size_t full = (size_t)(shown * BAR_WIDTH / p->total);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %lld of about %lld %s, %s, %lld/s, %lld s left   ", bar,
            (long long)done, (long long)p->total, p->unit, detail, (long long)rate,
            rate == 0 ? 0LL : (long long)((p->total - shown) / rate));
}

void progress_update(struct progress *p, int64_t done, int64_t changed)
{
    int64_t now = clock_mono_ms();
    if (now - p->shown_mono_ms < (p->is_terminal ? BAR_EVERY_MS : LOG_EVERY_MS)) {
        return;
    }
    p->shown_mono_ms = now;
    if (p->is_terminal) {
        show_bar(p, now, done, changed);
    } else if (p->detail != NULL) {
        log_info(p->event, log_int(p->unit, done), log_int("of_about", p->total),
                 log_text("detail", p->detail),
                 log_int("per_second", rate_of(p, now, done)));
    } else {
        log_info(p->event, log_int(p->unit, done), log_int("of_about", p->total),
                 log_int("changed", changed),
                 log_int("per_second", rate_of(p, now, done)));
    }
}

void progress_end(const struct progress *p)
{
    if (p->is_terminal && p->shown_mono_ms != p->began_mono_ms) {
        fprintf(stderr, "\n");
    }
}

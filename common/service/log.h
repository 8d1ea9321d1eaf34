/* log: one event a line on stderr, as logfmt or JSON, from the same call.
 *
 * A line is a time, a level, an event name and typed fields; names are snake case and
 * listed in the folder's README. Values are escaped, so that no input can forge a line.
 * Never log a payload, a secret, or a token of a path or query: user data is never a
 * field. A function either returns an error or logs it, never both. An outage is one line
 * at its start and one at its end with its duration (log_outage). Any thread; a line is
 * written by one write(2).
 */
#ifndef COMMON_SERVICE_LOG_H
#define COMMON_SERVICE_LOG_H

#include "common/base/error.h"
#include "common/base/view.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_field_type {
    LOG_FIELD_END,
    LOG_FIELD_TEXT,
    LOG_FIELD_INT,
    LOG_FIELD_UINT,
    LOG_FIELD_REAL
};

struct log_field {
    const char *name;
    enum log_field_type type;
    struct view text;
    int64_t number;
    double real;
};

/* Sets level and format; before it, info and logfmt. Call it before threads start. */
void log_configure(enum log_level level, enum log_format format);

/* True when lines of this level are written: guards expensive fields. */
bool log_enabled(enum log_level level);

/* Typed fields. Names are ours (snake case); values may be anyone's and may be cut: more
 * than 1,024 bytes say nothing in a log. They are read during the call that writes. */
struct log_field log_text(const char *name, const char *value);
struct log_field log_view(const char *name, struct view value);
struct log_field log_int(const char *name, int64_t value);
struct log_field log_uint(const char *name, uint64_t value);
struct log_field log_real(const char *name, double value);

/* Writes a line; `fields` ends with a LOG_FIELD_END. Use the macros. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* log_info("batch_committed", log_uint("rows", n), log_text("topic", t)); at least one
 * field. */
#define log_debug(event, ...) log_line(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_ERROR, event, __VA_ARGS__)
#define log_line(level, event, ...)                                                      \
    log_write(level, event,                                                              \
              (const struct log_field[]){ __VA_ARGS__, { .type = LOG_FIELD_END } })

/* The event with class, origin, code and text of an error as fields. */
void log_failure(enum log_level level, const char *event, const struct error *err);

/* An outage of something we depend on: one line when it begins, one when it ends. Zero it
 * to start; one thread at a time. */
struct log_outage {
    bool is_on;
    int64_t since_mono_ms;
    uint64_t failures;
};

/* It is away ("kafka" as `what` gives the event kafka_away, warn, with the error). While
 * it is, further calls are counted, not logged. */
void log_outage_begin(struct log_outage *o, const char *what, const struct error *err);
/* It is back (kafka_back, info, with duration_ms and failures); nothing when it was not
 * away. */
void log_outage_end(struct log_outage *o, const char *what);

#endif

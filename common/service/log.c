#include "common/service/log.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Longest value in bytes before escaping: the longest error text fits, a sender's novel
 * does not. */
#define VALUE_MAX_BYTES 1024

/* The log sink. Level and format are set before threads start; the lock keeps lines
 * longer than PIPE_BUF from mixing when stderr is a pipe. */
static enum log_level least_level = LOG_INFO;
static enum log_format format_in_force = LOG_LOGFMT;
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_configure(enum log_level level, enum log_format format)
{
    least_level = level;
    format_in_force = format;
}

bool log_enabled(enum log_level level)
{
    return level >= least_level;
}

struct log_field log_text(const char *name, const char *value)
{
    return log_view(name, view_cstr(value));
}

struct log_field log_view(const char *name, struct view value)
{
    return (struct log_field){ .name = name, .type = LOG_FIELD_TEXT, .text = value };
}

struct log_field log_int(const char *name, int64_t value)
{
    return (struct log_field){ .name = name, .type = LOG_FIELD_INT, .number = value };
}

struct log_field log_uint(const char *name, uint64_t value)
{
    return (struct log_field){ .name = name,
                               .type = LOG_FIELD_UINT,
                               .number = (int64_t)value };
}

struct log_field log_real(const char *name, double value)
{
    return (struct log_field){ .name = name, .type = LOG_FIELD_REAL, .real = value };
}

/* RFC 3339, UTC, milliseconds. */
static void format_time(int64_t real_ms, char out[40])
{
    time_t seconds = (time_t)(real_ms / 1000);
    struct tm utc;
    char date[24];
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, 40, "%s.%03dZ", date, (int)(real_ms % 1000));
}

static bool is_bare(struct view value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == ' ' || value.data[i] == '=') {
            return false;
        }
    }
    return value.len > 0 && value.len <= VALUE_MAX_BYTES && escape_is_plain(value);
}

static void add_text(struct buf *line, struct view value)
{
    if (format_in_force == LOG_LOGFMT && is_bare(value)) {
        buf_add_view(line, value);
        return;
    }
    buf_add_char(line, '"');
    escape_add_text(line, value, VALUE_MAX_BYTES);
    buf_add_char(line, '"');
}

static void add_value(struct buf *line, const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_TEXT:
        add_text(line, field->text);
        break;
    case LOG_FIELD_INT:
        buf_add_i64(line, field->number);
        break;
    case LOG_FIELD_UINT:
        buf_add_u64(line, (uint64_t)field->number);
        break;
    case LOG_FIELD_REAL:
        if (isfinite(field->real)) {
            buf_printf(line, "%.6g", field->real);
        } else {
            buf_add_cstr(line, "null"); /* JSON has no word for it */
        }
        break;
    case LOG_FIELD_END:
        break;
    }
}

static void add_field(struct buf *line, const struct log_field *field)
{
    if (format_in_force == LOG_JSON) {
        buf_printf(line, "%s\"%s\":", line->len == 0 ? "{" : ",", field->name);
    } else {
        buf_printf(line, "%s%s=", line->len == 0 ? "" : " ", field->name);
    }
    add_value(line, field);
}

/* A lost log line is nobody's error to handle. */
static void write_line(struct view line)
{
    pthread_mutex_lock(&write_lock);
    while (line.len > 0) {
        ssize_t written = write(STDERR_FILENO, line.data, line.len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            break;
        }
        line = view_skip(line, (size_t)written);
    }
    pthread_mutex_unlock(&write_lock);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    if (!log_enabled(level)) {
        return;
    }
    char time_text[40];
    format_time(clock_real_ms(), time_text);
    const struct log_field head[] = { log_text("ts", time_text),
                                      log_text("level", level_names[level]),
                                      log_text("event", event) };
    struct buf line;
    buf_init(&line, 0);
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
        add_field(&line, &head[i]);
    }
    for (const struct log_field *f = fields; f->type != LOG_FIELD_END; f++) {
        add_field(&line, f);
    }
    buf_add_cstr(&line, format_in_force == LOG_JSON ? "}\n" : "\n");
    write_line(buf_view(&line));
    buf_release(&line);
}

void log_failure(enum log_level level, const char *event, const struct error *err)
{
    log_line(level, event, log_text("class", error_class_name(err->class)),
             log_text("origin", error_origin_name(err->origin)),
             log_text("code", err->code), log_text("error", err->text));
}

/* "kafka" and "_away" give "kafka_away"; `what` is a short word of ours. */
static void name_outage(const char *what, const char *suffix, char out[64])
{
    snprintf(out, 64, "%s%s", what, suffix);
}

void log_outage_begin(struct log_outage *o, const char *what, const struct error *err)
{
    o->failures++;
    if (o->is_on) {
        return;
    }
    o->is_on = true;
    o->since_mono_ms = clock_mono_ms();
    char event[64];
    name_outage(what, "_away", event);
    log_failure(LOG_WARN, event, err);
}

void log_outage_end(struct log_outage *o, const char *what)
{
    if (!o->is_on) {
        return;
    }
    char event[64];
    name_outage(what, "_back", event);
    log_info(event, log_int("duration_ms", clock_mono_ms() - o->since_mono_ms),
             log_uint("failures", o->failures));
    *o = (struct log_outage){ 0 };
}

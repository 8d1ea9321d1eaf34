#include "ingest/commands/import.h"

#include "ingest/commands/import_batch.h"
#include "ingest/commands/import_lines.h"
#include "ingest/commands/import_places.h"
#include "ingest/commands/options.h"
#include "ingest/registry/registry.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include "common/base/parse.h"
#include "common/service/log.h"
#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <json-c/json.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_LINES 5000
#define BATCHES_A_SECOND 10 /* at a --rate: so it is even */
#define PACE_SLACK_MS 1000
#define FLUSH_MS 5000 /* what is under way at the end may still be acknowledged */

#define AT(member) offsetof(struct import_flags, member)

static const struct option options[] = {
    { .env = "source",
      .type = OPTION_TEXT,
      .offset = AT(source),
      .value_name = "SLUG",
      .help = "the source whose events these are (source list shows them)" },
    { .env = "rate",
      .type = OPTION_TEXT,
      .offset = AT(rate),
      .value_name = "N/s",
      .help = "at most so many lines a second, as 2000/s" },
    { .env = "progress-file",
      .type = OPTION_TEXT,
      .offset = AT(progress_file),
      .fallback = "backstitch-import.progress",
      .value_name = "FILE",
      .help = "keeps how far each file is: run again, it goes on from there" },
    { .env = "again",
      .type = OPTION_SWITCH,
      .offset = AT(again),
      .help = "begin each file anew, whatever the progress file says" },
    { .env = "dry-run",
      .type = OPTION_SWITCH,
      .offset = AT(dry_run),
      .help = "read and check every line, and send nothing" },
};

const struct option_table import_option_table = {
    .options = options,
    .count = sizeof options / sizeof options[0],
};

struct import {
    const struct command_call *call;
    const struct ingest_options *options;
    const struct import_flags *flags;
    struct registry *registry;
    const struct registry_snapshot *snapshot;
    const struct source *source;
    struct kafka_publisher *publisher; /* NULL: a dry run */
    struct buf destination;
    struct import_places *places; /* NULL: a dry run */
    struct import_batch *batch;
    struct progress progress;
    struct import_counts counts;
    uint64_t rate; /* 0: as fast as it goes */
    int64_t began_mono_ms;
    int64_t paced_since_mono_ms, paced_from_lines;
    int64_t files_bytes; /* of those that are done */
    int64_t passed_over; /* lines that were imported before */
    unsigned files_done, files_damaged;
    bool was_stopped;
};

/* ---- what is asked for ---- */

#define refuse_usage(err, ...)                                                           \
    error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, __VA_ARGS__)

static bool find_source(struct import *i, struct error *err)
{
    const char *slug = i->flags->source;
    if (slug == NULL) {
        return refuse_usage(err, "'%s': whose events are these? Give --source SLUG",
                            i->call->args[0]);
    }
    if (!registry_open(i->options->sources_file, &i->registry, err)) {
        return error_prefix(err, "INGEST_SOURCES_FILE");
    }
    i->snapshot = registry_acquire(i->registry);
    i->source = registry_by_slug(i->snapshot, view_cstr(slug));
    return i->source != NULL ||
           refuse_usage(err,
                        "--source '%s': there is no such source; source list shows them",
                        slug);
}

static bool read_rate(struct import *i, struct error *err)
{
    const char *text = i->flags->rate;
    struct error why;
    return text == NULL || parse_rate(view_cstr(text), &i->rate, &why) ||
           refuse_usage(err, "--rate '%s': lines a second are wanted, such as 2000/s",
                        text);
}

static bool is_stdin(const char *file)
{
    return strcmp(file, "-") == 0;
}

/* All files, before the first line is sent: a mistyped name shall not show after hours.
 */
static bool check_files(const struct import *i, int64_t *out_bytes, struct error *err)
{
    for (int at = 0; at < i->call->arg_count; at++) {
        const char *file = i->call->args[at];
        struct stat facts;
        if (is_stdin(file)) {
            continue;
        }
        if (strpbrk(file, "\t\n") != NULL) {
            return refuse_usage(
                err, "'%s': a file's name may hold no tab and no line break", file);
        }
        if (stat(file, &facts) != 0 || access(file, R_OK) != 0) {
            return error_set_errno(err, ERROR_INVALID, errno, "'%s'", file);
        }
        if (!S_ISREG(facts.st_mode)) {
            return refuse_usage(err, "'%s' is no file", file);
        }
        *out_bytes += (int64_t)facts.st_size;
    }
    return true;
}

/* The same file may go to another source, or another Kafka. */
static void name_destination(struct import *i)
{
    buf_printf(&i->destination, "%s %s %s", i->source->slug, i->options->topic_prefix,
               i->options->kafka_brokers);
}

static bool build(struct import *i, struct error *err)
{
    const struct ingest_options *o = i->options;
    uint64_t lines = i->rate == 0 ? BATCH_LINES : i->rate / BATCHES_A_SECOND + 1;
    if (!i->flags->dry_run) {
        struct kafka_publisher_setup publisher = { .brokers = o->kafka_brokers,
                                                   .config_file = o->kafka_config_file,
                                                   .topic_prefix = o->topic_prefix,
                                                   .max_event_bytes =
                                                       o->max_event_bytes };
        name_destination(i);
        if (!import_places_open(i->flags->progress_file, buf_cstr(&i->destination),
                                &i->places, err) ||
            !kafka_publisher_open(&publisher, &i->publisher, err)) {
            return false;
        }
    }
    struct import_batch_setup batch = {
        .publisher = i->publisher,
        .source = i->source,
        .max_event_bytes = o->max_event_bytes,
        .max_lines = lines < BATCH_LINES ? (size_t)lines : BATCH_LINES,
    };
    i->batch = import_batch_new(&batch);
    return true;
}

/* ---- the lines ---- */

static int64_t accepted(const struct import *i)
{
    int64_t sum = 0;
    for (int type = 0; type < EVENT_TYPES; type++) {
        sum += type == EVENT_REJECTED ? 0 : i->counts.events[type];
    }
    return sum;
}

static void show(struct import *i, int64_t file_bytes)
{
    char detail[100];
    snprintf(detail, sizeof detail, "%lld events, %lld rejected", (long long)accepted(i),
             (long long)i->counts.events[EVENT_REJECTED]);
    i->progress.detail = detail;
    progress_update(&i->progress, i->files_bytes + file_bytes, 0);
    i->progress.detail = NULL;
}

/* Waits until so many lines may have been sent. What was not sent in time (Kafka was
 * away) is not made up for. */
static void keep_pace(struct import *i)
{
    int64_t now = clock_mono_ms();
    int64_t lines = i->counts.lines - i->paced_from_lines;
    int64_t due = i->paced_since_mono_ms + lines * 1000 / (int64_t)i->rate;
    if (now - due > PACE_SLACK_MS || i->paced_since_mono_ms == 0) {
        i->paced_since_mono_ms = now;
        i->paced_from_lines = i->counts.lines;
    } else if (due > now) {
        (void)shutdown_wait((uint64_t)(due - now));
    }
}

/* A file on its way. */
struct file {
    const char *path; /* as it was given */
    const char *name; /* absolute, for the progress file; NULL: it has no place there */
    uint32_t first;   /* of its first line: another one under this name begins anew */
    int64_t done;     /* lines that were imported before */
    int64_t number;   /* of the last line */
};

static bool flush(struct import *i, const struct file *f, int64_t lines,
                  struct error *err)
{
    if (!import_batch_flush(i->batch, f->path, &i->counts)) {
        i->was_stopped = true;
        return true;
    }
    struct import_place place = { .file = f->name, .first = f->first, .lines = lines };
    if (f->name != NULL && !import_places_note(i->places, &place, err)) {
        return false;
    }
    if (i->rate > 0) {
        keep_pace(i);
    }
    i->was_stopped = shutdown_is_requested();
    return true;
}

/* Tells of a file that cannot be read to its end; the others go on. */
static void tell_damaged(struct import *i, const char *text)
{
    fprintf(stderr, "%s import: %s\n", i->call->program->name, text);
    i->files_damaged++;
}

/* A last line without its end may still be written to: it is sent, and read again next
 * time. */
static bool end_file(struct import *i, const struct file *f, bool is_whole,
                     struct error *err)
{
    if (f->number < f->done) {
        struct error fewer;
        error_set(&fewer, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                  "'%s' has %lld lines, but %lld of it were imported: it was cut, or is "
                  "another file; --again imports it anew",
                  f->path, (long long)f->number, (long long)f->done);
        tell_damaged(i, fewer.text);
        return true;
    }
    if (!flush(i, f, is_whole ? f->number : f->number - 1, err)) {
        return false;
    }
    i->files_done += i->was_stopped ? 0 : 1;
    return true;
}

static bool end_damaged(struct import *i, const struct file *f, struct error *err)
{
    tell_damaged(i, err->text);
    return f->number < f->done || flush(i, f, f->number, err);
}

static void begin_file(struct import *i, struct file *f, struct view first)
{
    f->first = crc32c(first);
    f->done = f->name == NULL || i->flags->again
                  ? 0
                  : import_places_of(i->places, f->name, f->first);
}

static bool take_line(struct import *i, struct file *f, struct view line, bool is_cut,
                      struct error *err)
{
    if (f->number <= f->done) {
        i->passed_over++;
        i->was_stopped = i->passed_over % BATCH_LINES == 0 && shutdown_is_requested();
        return true;
    }
    import_batch_add(i->batch, line, f->number, is_cut);
    return !import_batch_is_full(i->batch) || flush(i, f, f->number, err);
}

static bool read_lines(struct import *i, struct import_lines *lines, struct file *f,
                       struct error *err)
{
    bool is_first = true;
    while (!i->was_stopped) {
        struct view line;
        int64_t flushed = i->counts.lines;
        enum import_line what = import_lines_next(lines, &line, &f->number, err);
        if (what == IMPORT_END) {
            return end_file(i, f, import_lines_is_whole(lines), err);
        }
        if (what == IMPORT_DAMAGED) {
            return end_damaged(i, f, err);
        }
        if (is_first) {
            begin_file(i, f, line);
            is_first = false;
        }
        if (!take_line(i, f, line, what == IMPORT_LINE_TOO_LONG, err)) {
            return false;
        }
        if (i->counts.lines != flushed) {
            show(i, import_lines_offset(lines));
        }
    }
    return true;
}

/* Wherever the command is run from. */
static void name_file(const char *path, struct buf *out)
{
    char folder[PATH_MAX];
    if (path[0] != '/' && getcwd(folder, sizeof folder) != NULL) {
        buf_printf(out, "%s/", folder);
    }
    buf_add_cstr(out, path);
}

static bool import_file(struct import *i, const char *path, struct error *err)
{
    struct import_lines *lines = NULL;
    struct stat facts = { .st_size = 0 };
    struct file f = { .path = path };
    if (!import_lines_open(path, (size_t)i->options->max_event_bytes, &lines, err)) {
        tell_damaged(i, err->text); /* it was there when we began */
        return true;
    }
    struct buf name = { 0 };
    if (i->places != NULL && !is_stdin(path)) {
        name_file(path, &name);
        f.name = buf_cstr(&name);
    }
    bool done = read_lines(i, lines, &f, err);
    import_lines_close(lines);
    buf_release(&name);
    if (!is_stdin(path) && stat(path, &facts) == 0) {
        i->files_bytes += (int64_t)facts.st_size;
    }
    return done;
}

static bool import_all(struct import *i, struct error *err)
{
    int64_t bytes = 0;
    if (!find_source(i, err) || !read_rate(i, err) || !check_files(i, &bytes, err) ||
        !build(i, err)) {
        return false;
    }
    bool done = true;
    i->began_mono_ms = clock_mono_ms();
    progress_begin(&i->progress, "import_progress", "bytes", bytes);
    for (int at = 0; done && !i->was_stopped && at < i->call->arg_count; at++) {
        done = import_file(i, i->call->args[at], err);
    }
    progress_end(&i->progress);
    return done;
}

/* ---- the end ---- */

static void print_json(const struct import *i)
{
    json_object *o = json_object_new_object();
    json_object *events = json_object_new_object();
    for (int type = 0; type < EVENT_TYPES; type++) {
        if (i->counts.events[type] > 0) {
            json_object_object_add(events, event_type_name((enum event_type)type),
                                   json_object_new_int64(i->counts.events[type]));
        }
    }
    json_object_object_add(o, "sent", json_object_new_boolean(!i->flags->dry_run));
    json_object_object_add(o, "lines", json_object_new_int64(i->counts.lines));
    json_object_object_add(o, "events", events);
    json_object_object_add(o, "imported_before", json_object_new_int64(i->passed_over));
    json_object_object_add(o, "files_done", json_object_new_int64(i->files_done));
    json_object_object_add(o, "files_damaged", json_object_new_int64(i->files_damaged));
    json_object_object_add(o, "milliseconds",
                           json_object_new_int64(clock_mono_ms() - i->began_mono_ms));
    printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
    json_object_put(o);
}

static void print_text(const struct import *i)
{
    printf("%" PRId64 " lines of %d file%s %s\n", i->counts.lines, i->call->arg_count,
           i->call->arg_count == 1 ? "" : "s",
           i->flags->dry_run ? "checked; nothing was sent" : "are in Kafka");
    for (int type = 0; type < EVENT_TYPES; type++) {
        if (i->counts.events[type] > 0) {
            printf("  %-10s %12" PRId64 "%s\n", event_type_name((enum event_type)type),
                   i->counts.events[type],
                   type != EVENT_REJECTED ? ""
                   : i->flags->dry_run    ? "  would go to _sdc_rejected"
                                          : "  go to _sdc_rejected, with file and line");
        }
    }
    if (i->passed_over > 0) {
        printf("%" PRId64 " lines were imported before (%s; --again imports them anew)\n",
               i->passed_over, i->flags->progress_file);
    }
}

static int report(const struct import *i, bool done, const struct error *err)
{
    if (i->batch != NULL && i->call->json) {
        print_json(i);
    } else if (i->batch != NULL) {
        print_text(i);
    }
    if (!done) {
        (void)fprintf(stderr, "%s import: %s\n", i->call->program->name, err->text);
        return err->class == ERROR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    if (i->was_stopped) {
        bool is_kept = i->places != NULL && !i->flags->again;
        fprintf(stderr, "Stopped%s.\n",
                is_kept             ? "; the same command goes on with the rest"
                : i->places != NULL ? "; without --again it goes on with the rest"
                                    : "");
        return EXIT_WORK_LEFT;
    }
    return i->files_damaged == 0 ? EXIT_DONE : EXIT_FAILED;
}

int command_import(const struct command_call *call)
{
    struct import i = { .call = call, .options = call->config, .flags = call->flags };
    struct error err = { .text = "" };
    unsigned level = i.options->log_level;
    log_configure((enum log_level)(
                      isatty(STDERR_FILENO) == 1 && level < LOG_WARN ? LOG_WARN : level),
                  (enum log_format)i.options->log_format);
    bool done = shutdown_start(&err) && import_all(&i, &err);
    int code = report(&i, done, &err);
    /* Records under way borrow from the batch. */
    (void)kafka_publisher_close(i.publisher, FLUSH_MS);
    import_batch_free(i.batch);
    import_places_close(i.places);
    buf_release(&i.destination);
    if (i.snapshot != NULL) {
        registry_release(i.registry, i.snapshot);
    }
    registry_close(i.registry);
    return code;
}

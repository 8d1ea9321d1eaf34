#include "ingest/commands/import.h"

#include "ingest/commands/import_batch.h"
#include "ingest/commands/import_lines.h"
#include "ingest/commands/import_places.h"
#include "ingest/commands/options.h"
#include "ingest/registry/registry.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/service/log.h"
#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <json-c/json.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_LINES 5000
#define BATCHES_A_SECOND 10 /* at a --rate: so it is even */
#define FLUSH_MS 5000       /* what is under way at the end may still be acknowledged */

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
    struct import_places *places;      /* NULL: a dry run */
    struct import_batch *batch;
    struct progress progress;
    struct import_counts counts;
    uint64_t rate; /* 0: as fast as it goes */
    int64_t began_mono_ms;
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
    struct error ignored;
    if (text == NULL) {
        return true;
    }
    size_t len = strlen(text);
    len = len > 2 && strcmp(text + len - 2, "/s") == 0 ? len - 2 : len;
    return (parse_u64(view_of(text, len), &i->rate, &ignored) && i->rate > 0) ||
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
        if (!import_places_open(i->flags->progress_file, i->source->slug, &i->places,
                                err) ||
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

/* Waits until so many lines may have been sent. */
static void keep_pace(const struct import *i)
{
    int64_t now = clock_mono_ms();
    int64_t due =
        i->rate == 0 ? now : i->began_mono_ms + i->counts.lines * 1000 / (int64_t)i->rate;
    if (due > now) {
        (void)shutdown_wait((uint64_t)(due - now));
    }
}

static bool flush(struct import *i, const char *file, int64_t number, struct error *err)
{
    if (!import_batch_flush(i->batch, file, &i->counts)) {
        i->was_stopped = true;
        return true;
    }
    if (i->places != NULL && !is_stdin(file) &&
        !import_places_note(i->places, file, number, err)) {
        return false;
    }
    keep_pace(i);
    i->was_stopped = shutdown_is_requested();
    return true;
}

/* A file that cannot be read to its end is told, and counts; the others go on. */
static bool end_file(struct import *i, enum import_line end, const char *file,
                     int64_t number, struct error *err)
{
    bool is_damaged = end == IMPORT_DAMAGED;
    if (is_damaged) {
        fprintf(stderr, "%s import: %s; what stands before is imported\n",
                i->call->program->name, err->text);
        i->files_damaged++;
    }
    if (!flush(i, file, number, err)) {
        return false;
    }
    i->files_done += i->was_stopped || is_damaged ? 0 : 1;
    return true;
}

static bool read_lines(struct import *i, struct import_lines *lines, const char *file,
                       struct error *err)
{
    int64_t done = i->places == NULL || i->flags->again || is_stdin(file)
                       ? 0
                       : import_places_of(i->places, file);
    int64_t number = 0;
    while (!i->was_stopped) {
        struct view line;
        enum import_line what = import_lines_next(lines, &line, &number, err);
        if (what == IMPORT_END || what == IMPORT_DAMAGED) {
            return end_file(i, what, file, number > done ? number : done, err);
        }
        if (number <= done) {
            i->passed_over++;
            continue;
        }
        import_batch_add(i->batch, line, number, what == IMPORT_LINE_TOO_LONG);
        if (!import_batch_is_full(i->batch)) {
            continue;
        }
        if (!flush(i, file, number, err)) {
            return false;
        }
        show(i, import_lines_offset(lines));
    }
    return true;
}

static bool import_file(struct import *i, const char *file, struct error *err)
{
    struct import_lines *lines = NULL;
    struct stat facts = { .st_size = 0 };
    if (!import_lines_open(file, (size_t)i->options->max_event_bytes, &lines, err)) {
        return false;
    }
    bool done = read_lines(i, lines, file, err);
    import_lines_close(lines);
    if (!is_stdin(file) && stat(file, &facts) == 0) {
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
        fprintf(stderr, "Stopped; the same command goes on with the rest.\n");
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
    if (i.snapshot != NULL) {
        registry_release(i.registry, i.snapshot);
    }
    registry_close(i.registry);
    return code;
}

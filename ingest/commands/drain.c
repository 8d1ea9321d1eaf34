#include "ingest/commands/drain.h"

#include "ingest/commands/options.h"
#include "ingest/durable/spool_to_kafka.h"

#include "common/base/clock.h"
#include "common/service/log.h"
#include "common/service/shutdown.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#define LOOK_MS 100
#define PROGRESS_MS 2000
#define FLUSH_MS 2000 /* what is under way at the end may still be acknowledged */

static const struct option options[] = {
    { .env = "timeout",
      .type = OPTION_DURATION,
      .offset = offsetof(struct drain_flags, timeout_ms),
      .fallback = "10m",
      .min = 100,
      .max = 7ULL * 24 * 3600 * 1000,
      .help = "how long to try before giving up with exit code 3" },
};

const struct option_table drain_option_table = {
    .options = options,
    .count = sizeof options / sizeof options[0],
};

/* A folder being emptied. */
struct draining {
    const struct ingest_options *options;
    struct spool_log *log;
    struct kafka_publisher *publisher;
    struct circuit circuit; /* never opens: nobody waits here */
    struct spool_to_kafka to;
    struct spool_drain *drain;
};

/* A mistyped path must not be made, and found empty. */
static bool is_there(const char *dir, struct error *err)
{
    struct stat facts;
    if (dir == NULL) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "which folder? Give INGEST_SPOOL_DIR or --spool-dir DIR");
    }
    return (stat(dir, &facts) == 0 && S_ISDIR(facts.st_mode)) ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "INGEST_SPOOL_DIR: there is no folder '%s'", dir);
}

static bool build(struct draining *d, struct error *err)
{
    const struct ingest_options *o = d->options;
    struct kafka_publisher_setup publisher = { .brokers = o->kafka_brokers,
                                               .config_file = o->kafka_config_file,
                                               .topic_prefix = o->topic_prefix,
                                               .max_event_bytes = o->max_event_bytes };
    if (!is_there(o->spool_dir, err) ||
        !spool_log_open(o->spool_dir, o->spool_max_bytes, &d->log, err) ||
        !kafka_publisher_open(&publisher, &d->publisher, err)) {
        return false;
    }
    d->to = (struct spool_to_kafka){ d->publisher, &d->circuit };
    struct spool_port port = spool_to_kafka_port(&d->to);
    return spool_drain_start(d->log, &port, &d->drain, err);
}

static void take_down(struct draining *d)
{
    spool_drain_stop(d->drain);
    (void)kafka_publisher_close(d->publisher, FLUSH_MS);
    spool_drain_free(d->drain);
    spool_log_close(d->log);
}

static void log_progress(const struct spool_figures *f)
{
    log_info("spool_draining", log_uint("records_left", f->records),
             log_uint("bytes_left", f->disk_bytes), log_uint("segments", f->segments));
}

/* True when no segment is left; false at the deadline, or when it was asked to stop. */
static bool wait_until_empty(struct draining *d, uint64_t timeout_ms,
                             struct spool_figures *f)
{
    int64_t deadline = clock_mono_ms() + (int64_t)timeout_ms;
    int64_t progress_at = clock_mono_ms();
    spool_log_figures(d->log, f);
    while (f->segments > 0 && clock_mono_ms() < deadline && !shutdown_wait(LOOK_MS)) {
        spool_log_figures(d->log, f);
        if (clock_mono_ms() >= progress_at) {
            log_progress(f);
            progress_at = clock_mono_ms() + PROGRESS_MS;
        }
    }
    return f->segments == 0;
}

static void print_end(const struct command_call *call, const struct draining *d,
                      const struct spool_figures *f)
{
    if (call->json) {
        printf("{\"records_left\":%" PRIu64 ",\"segments_left\":%" PRIu64
               ",\"corrupt_records\":%" PRIu64 ",\"unread_files\":%" PRIu64 "}\n",
               f->records, f->segments, f->corrupt_records, f->unread_files);
        return;
    }
    if (f->segments == 0) {
        printf("'%s' is drained.\n", d->options->spool_dir);
    } else {
        printf("%" PRIu64 " records are left in '%s'%s: run it again.\n", f->records,
               d->options->spool_dir, f->is_surveyed ? "" : ", and more");
    }
    if (f->unread_files > 0) {
        printf("%" PRIu64 " files there could not be read and are kept; the log names "
               "them.\n",
               f->unread_files);
    }
}

int command_drain(const struct command_call *call)
{
    const struct drain_flags *flags = call->flags;
    struct draining d = { .options = call->config };
    struct spool_figures figures;
    struct error err;
    log_configure((enum log_level)d.options->log_level,
                  (enum log_format)d.options->log_format);
    if (!shutdown_start(&err) || !build(&d, &err)) {
        (void)fprintf(stderr, "%s drain: %s\n", call->program->name, err.text);
        take_down(&d);
        return err.class == ERROR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    bool is_empty = wait_until_empty(&d, flags->timeout_ms, &figures);
    print_end(call, &d, &figures);
    take_down(&d);
    if (!is_empty) {
        return EXIT_WORK_LEFT;
    }
    return figures.unread_files == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* run: builds the loader in order, runs it, and takes it down in reverse. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/consume/consumer.h"
#include "loader/consume/kafka_stream.h"
#include "loader/load/writer_thread.h"
#include "loader/postgres/postgres_sink.h"
#include "loader/postgres/server_check.h"

#include "common/base/clock.h"
#include "common/service/admin.h"
#include "common/service/log.h"
#include "common/service/shutdown.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first wait after a failure, and the longest one: short enough to go on soon after
 * the database comes back. */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 2000

/* What the loader is made of; each part is taken down only if it was built. */
struct loader {
    const struct loader_options *options;
    char owner[160];
    char **ignore_paths, **integration_names, **grant_select, **accept_gap,
        **accept_new_log;
    struct loader_metrics *metrics;
    struct admin *admin;
    struct catalogue *catalogue;
    struct mapper *mapper;
    struct stream stream;
    struct sink sink;
    struct pipeline *pipeline;
    struct writer writer;
};

static const char *const *constant(char *const *list)
{
    return (const char *const *)list;
}

static bool always_ready(void *context, const char **out_reason)
{
    (void)context;
    (void)out_reason;
    return !shutdown_is_requested();
}

static void name_owner(char *out, size_t size)
{
    char host[100] = "unknown";
    gethostname(host, sizeof host - 1);
    snprintf(out, size, "%s:%ld", host, (long)getpid());
}

static void read_lists(struct loader *l)
{
    l->ignore_paths = loader_options_list(l->options->ignore_paths);
    l->integration_names = loader_options_list(l->options->integration_names);
    l->grant_select = loader_options_list(l->options->grant_select);
    l->accept_gap = loader_options_list(l->options->accept_gap);
    l->accept_new_log = loader_options_list(l->options->accept_new_log);
}

static void build_mapping(struct loader *l)
{
    struct mapping_options mapping = { .ignore_paths = constant(l->ignore_paths),
                                       .integration_names =
                                           constant(l->integration_names) };
    l->catalogue = catalogue_new();
    l->mapper = mapper_new(&mapping);
}

static bool open_sink(struct loader *l, struct error *err)
{
    struct postgres_sink_setup setup = {
        .database_url = l->options->database_url,
        .database_url_file = l->options->database_url_file,
        .group = l->options->group,
        .owner = l->owner,
        .newest_wins = l->options->duplicates == DUPLICATES_NEWEST,
        .new_columns_per_hour = l->options->new_columns_per_hour,
        .grant_select = constant(l->grant_select),
    };
    return postgres_sink_open(&setup, &l->sink, err);
}

static struct batch_context batch_context_of(struct loader *l)
{
    struct batch_context context = { .catalogue = l->catalogue,
                                     .mapper = l->mapper,
                                     .max_columns = l->options->max_columns,
                                     .is_frozen =
                                         l->options->schema_mode == SCHEMA_FROZEN };
    return context;
}

static struct kafka_stream_setup stream_setup_of(const struct loader *l, bool is_member)
{
    struct kafka_stream_setup setup = { .brokers = l->options->kafka_brokers,
                                        .config_file = l->options->kafka_config_file,
                                        .group = l->options->group,
                                        .topic_prefix = l->options->topic_prefix,
                                        .is_member = is_member };
    return setup;
}

static bool open_stream(struct loader *l, struct error *err)
{
    struct kafka_stream_setup setup = stream_setup_of(l, true);
    return kafka_stream_open(&setup, &l->stream, err);
}

/* For what waited for a table: beside the group. */
static bool open_again(void *context, struct stream *out, struct error *err)
{
    struct kafka_stream_setup setup = stream_setup_of(context, false);
    return kafka_stream_open(&setup, out, err);
}

static bool start_admin(struct loader *l, struct error *err)
{
    struct admin_setup setup = { .listen = l->options->admin_listen,
                                 .metrics = loader_metrics_registry(l->metrics),
                                 .is_ready = always_ready };
    return admin_start(&setup, &l->admin, err);
}

/* A server that loading cannot work with is refused at once, when it answers. When it is
 * away we wait for it, and the first connection asks the same. */
static bool is_server_fit(struct loader *l, struct error *err)
{
    struct connection c = { .pg = NULL };
    struct error away;
    if (!connection_open(&c, l->options->database_url, &away)) {
        return true;
    }
    bool is_fit =
        server_check(&c, l->options->database_url, constant(l->grant_select), err) ||
        strcmp(err->code, SERVER_CHECK_REFUSED) != 0;
    connection_close(&c);
    return is_fit;
}

static bool build(struct loader *l, struct error *err)
{
    name_owner(l->owner, sizeof l->owner);
    read_lists(l);
    if (!is_server_fit(l, err)) {
        return false;
    }
    l->metrics = loader_metrics_new();
    build_mapping(l);
    if (!open_sink(l, err) || !start_admin(l, err) || !open_stream(l, err)) {
        return false;
    }
    struct pipeline_setup setup = { .sink = &l->sink,
                                    .metrics = l->metrics,
                                    .backoff_first_ms = BACKOFF_FIRST_MS,
                                    .backoff_max_ms = BACKOFF_MAX_MS,
                                    .seed = (uint64_t)clock_mono_us() };
    l->pipeline = pipeline_new(&setup);
    return writer_thread_start(l->pipeline, &l->sink, &l->writer, err);
}

static void take_down(struct loader *l)
{
    struct log_release release = { l->stream.context, l->stream.release };
    writer_thread_stop(&l->writer, &release);
    pipeline_free(l->pipeline);
    if (l->stream.close != NULL) {
        l->stream.close(l->stream.context);
    }
    postgres_sink_close(&l->sink);
    admin_stop(l->admin);
    mapper_free(l->mapper);
    catalogue_free(l->catalogue);
    loader_metrics_free(l->metrics);
    loader_options_free_list(l->ignore_paths);
    loader_options_free_list(l->integration_names);
    loader_options_free_list(l->grant_select);
    loader_options_free_list(l->accept_gap);
    loader_options_free_list(l->accept_new_log);
}

static enum consumer_end load(struct loader *l)
{
    const struct loader_options *o = l->options;
    struct consumer_setup setup = {
        .stream = &l->stream,
        .writer = &l->writer,
        .context = batch_context_of(l),
        .limits = { .batch_rows = o->batch_rows,
                    .batch_bytes = o->batch_bytes,
                    .batch_age_ms = o->batch_age_ms },
        .accept_gap = constant(l->accept_gap),
        .accept_new_log = constant(l->accept_new_log),
        .metrics = l->metrics,
        .open_again = open_again,
        .open_context = l,
    };
    struct consumer *consumer = consumer_new(&setup);
    while (!shutdown_is_requested() && consumer_turn(consumer)) {
    }
    return consumer_finish(consumer);
}

int command_run(const struct command_call *call)
{
    struct loader l = { .options = call->config };
    struct error err;
    int code = EXIT_FAILED;
    log_configure((enum log_level)l.options->log_level,
                  (enum log_format)l.options->log_format);
    options_log(&call->program->options, call->config);
    if (!shutdown_start(&err) || !build(&l, &err)) {
        log_failure(LOG_ERROR, "loader_not_started", &err);
        take_down(&l);
        return err.class == ERROR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    log_info("loader_started", log_text("version", BACKSTITCH_VERSION),
             log_text("group", l.options->group),
             log_text("admin", l.options->admin_listen));
    switch (load(&l)) {
    case CONSUMER_STOPPED:
        code = EXIT_DONE;
        break;
    case CONSUMER_WORK_LEFT:
        code = EXIT_WORK_LEFT;
        break;
    case CONSUMER_FAILED:
        code = EXIT_FAILED;
        break;
    }
    take_down(&l);
    log_info("loader_stopped", log_int("exit_code", code));
    return code;
}

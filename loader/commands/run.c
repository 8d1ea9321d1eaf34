/* run: builds the loader in order, runs it, and takes it down in reverse. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/consume/consumer.h"
#include "loader/consume/kafka_stream.h"
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
    struct mapper *intake_mapper, *writer_mapper;
    struct stream stream;
    struct sink sink;
    struct pipeline pipeline;
    struct writer *writer;
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
    l->intake_mapper = mapper_new(&mapping);
    l->writer_mapper = mapper_new(&mapping);
}

static void open_sink(struct loader *l)
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
    postgres_sink_open(&setup, &l->sink);
}

static struct batch_context batch_context_of(struct loader *l, struct mapper *mapper)
{
    struct batch_context context = { .catalogue = l->catalogue,
                                     .mapper = mapper,
                                     .max_columns = l->options->max_columns,
                                     .is_frozen =
                                         l->options->schema_mode == SCHEMA_FROZEN };
    return context;
}

static bool open_stream(struct loader *l, struct error *err)
{
    struct kafka_stream_setup setup = { .brokers = l->options->kafka_brokers,
                                        .config_file = l->options->kafka_config_file,
                                        .group = l->options->group,
                                        .topic_prefix = l->options->topic_prefix };
    return kafka_stream_open(&setup, &l->stream, err);
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
    struct connection c = { NULL };
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
    open_sink(l);
    if (!start_admin(l, err) || !open_stream(l, err)) {
        return false;
    }
    l->pipeline = (struct pipeline){ .sink = &l->sink,
                                     .stream = &l->stream,
                                     .context = batch_context_of(l, l->writer_mapper),
                                     .metrics = l->metrics };
    backoff_init(&l->pipeline.backoff, BACKOFF_FIRST_MS, BACKOFF_MAX_MS,
                 (uint64_t)clock_mono_us());
    return writer_start(&l->pipeline, &l->writer, err);
}

static void take_down(struct loader *l)
{
    writer_stop(l->writer);
    if (l->stream.close != NULL) {
        l->stream.close(l->stream.context);
    }
    postgres_sink_close(&l->sink);
    admin_stop(l->admin);
    mapper_free(l->intake_mapper);
    mapper_free(l->writer_mapper);
    catalogue_free(l->catalogue);
    loader_metrics_free(l->metrics);
    loader_options_free_list(l->ignore_paths);
    loader_options_free_list(l->integration_names);
    loader_options_free_list(l->grant_select);
    loader_options_free_list(l->accept_gap);
    loader_options_free_list(l->accept_new_log);
}

static enum intake_end load(struct loader *l)
{
    const struct loader_options *o = l->options;
    struct intake_setup setup = {
        .stream = &l->stream,
        .pipeline = &l->pipeline,
        .writer = l->writer,
        .context = batch_context_of(l, l->intake_mapper),
        .limits = { .batch_rows = o->batch_rows,
                    .batch_bytes = o->batch_bytes,
                    .batch_age_ms = o->batch_age_ms },
        .accept_gap = constant(l->accept_gap),
        .accept_new_log = constant(l->accept_new_log),
        .metrics = l->metrics,
    };
    return intake_run(&setup);
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
    case INTAKE_STOPPED:
        code = EXIT_DONE;
        break;
    case INTAKE_WORK_LEFT:
        code = EXIT_WORK_LEFT;
        break;
    case INTAKE_FAILED:
        code = EXIT_FAILED;
        break;
    }
    take_down(&l);
    log_info("loader_stopped", log_int("exit_code", code));
    return code;
}

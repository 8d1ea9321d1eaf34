#include "loader/commands/parts.h"

#include "loader/consume/kafka_stream.h"
#include "loader/consume/replay_stream.h"
#include "loader/load/writer_thread.h"
#include "loader/postgres/postgres_sink.h"
#include "loader/postgres/server_check.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first wait after a failure, and the longest one: short enough to go on soon after
 * the database comes back. */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 2000

static const char *const *constant(char *const *list)
{
    return (const char *const *)list;
}

static void name_owner(struct parts *p)
{
    char host[100] = "unknown";
    if (p->setup.replay != NULL) {
        snprintf(p->owner, sizeof p->owner, REPLAY_OWNER "%s", p->setup.replay);
        return;
    }
    gethostname(host, sizeof host - 1);
    snprintf(p->owner, sizeof p->owner, "%s:%ld", host, (long)getpid());
}

static void build_mapping(struct parts *p)
{
    const struct loader_options *o = p->setup.options;
    p->ignore_paths = loader_options_list(o->ignore_paths);
    p->integration_names = loader_options_list(o->integration_names);
    p->grant_select = loader_options_list(o->grant_select);
    struct mapping_options mapping = { .ignore_paths = constant(p->ignore_paths),
                                       .integration_names =
                                           constant(p->integration_names) };
    p->catalogue = catalogue_new();
    p->mapper = mapper_new(&mapping);
}

static bool open_sink(struct parts *p, struct error *err)
{
    const struct loader_options *o = p->setup.options;
    struct postgres_sink_setup setup = {
        .database_url = o->database_url,
        .database_url_file = o->database_url_file,
        .group = o->group,
        .replay = p->setup.replay,
        .owner = p->owner,
        .newest_wins = o->duplicates == DUPLICATES_NEWEST,
        .deletions_of = p->setup.deletions_of,
        .overwrites = p->setup.overwrites,
        .clears_rejected = p->setup.clears_rejected,
        .new_columns_per_hour = o->new_columns_per_hour,
        .grant_select = constant(p->grant_select),
    };
    return postgres_sink_open(&setup, &p->sink, err);
}

static bool open_stream(const struct parts *p, bool is_member, struct stream *out,
                        struct error *err)
{
    const struct loader_options *o = p->setup.options;
    struct kafka_stream_setup setup = { .brokers = o->kafka_brokers,
                                        .config_file = o->kafka_config_file,
                                        .group = o->group,
                                        .topic_prefix = o->topic_prefix,
                                        .is_member = is_member };
    return kafka_stream_open(&setup, out, err);
}

bool parts_open_again(void *context, struct stream *out, struct error *err)
{
    return open_stream(context, false, out, err);
}

struct batch_context parts_batch_context(const struct parts *p)
{
    const struct loader_options *o = p->setup.options;
    struct batch_context context = { .catalogue = p->catalogue,
                                     .mapper = p->mapper,
                                     .max_columns = o->max_columns,
                                     .is_frozen = o->schema_mode == SCHEMA_FROZEN };
    return context;
}

/* A server that loading cannot work with is refused at once, when it answers. When it is
 * away we wait for it, and the first connection asks the same. */
static bool is_server_fit(struct parts *p, struct error *err)
{
    const struct loader_options *o = p->setup.options;
    struct connection c = { .pg = NULL };
    struct error away;
    if (!connection_open(&c, o->database_url, &away)) {
        return true;
    }
    bool is_fit = server_check(&c, o->database_url, constant(p->grant_select), err) ||
                  strcmp(err->code, SERVER_CHECK_REFUSED) != 0;
    connection_close(&c);
    return is_fit;
}

static bool build_writer(struct parts *p, struct error *err)
{
    struct pipeline_setup setup = { .sink = &p->sink,
                                    .metrics = p->metrics,
                                    .backoff_first_ms = BACKOFF_FIRST_MS,
                                    .backoff_max_ms = BACKOFF_MAX_MS,
                                    .seed = (uint64_t)clock_mono_us(),
                                    .stops_at_held = p->setup.replay != NULL };
    if (!is_server_fit(p, err) || !open_sink(p, err)) {
        return false;
    }
    p->pipeline = pipeline_new(&setup);
    return writer_thread_start(p->pipeline, &p->sink, &p->writer, err);
}

bool parts_build(struct parts *p, const struct parts_setup *setup, struct error *err)
{
    bool is_member = setup->replay == NULL && !setup->only_reads;
    *p = (struct parts){ .setup = *setup };
    name_owner(p);
    build_mapping(p);
    p->metrics = loader_metrics_new();
    return (setup->only_reads || build_writer(p, err)) &&
           open_stream(p, is_member, &p->stream, err);
}

void parts_read_ranges(struct parts *p, const struct replay_run *run,
                       const struct selection *selection)
{
    struct replay_range *ranges = mem_calloc(run->partition_count, sizeof *ranges);
    for (size_t i = 0; i < run->partition_count; i++) {
        const struct replay_partition *of = &run->partitions[i];
        memcpy(ranges[i].topic, of->topic, sizeof ranges[i].topic);
        ranges[i].partition = of->partition;
        ranges[i].from = of->next;
        ranges[i].to = of->to;
    }
    struct replay_stream_setup setup = { .under = p->stream,
                                         .ranges = ranges,
                                         .range_count = run->partition_count,
                                         .selection = selection,
                                         .target_schema = run->target_schema,
                                         .allows_lost = run->allows_partial,
                                         .rate = run->rate };
    replay_stream_open(&setup, &p->stream);
    free(ranges);
}

void parts_take_down(struct parts *p)
{
    struct log_release release = { p->stream.context, p->stream.release };
    writer_thread_stop(&p->writer, &release);
    pipeline_free(p->pipeline);
    if (p->stream.close != NULL) {
        p->stream.close(p->stream.context);
    }
    postgres_sink_close(&p->sink);
    mapper_free(p->mapper);
    catalogue_free(p->catalogue);
    loader_metrics_free(p->metrics);
    loader_options_free_list(p->ignore_paths);
    loader_options_free_list(p->integration_names);
    loader_options_free_list(p->grant_select);
}

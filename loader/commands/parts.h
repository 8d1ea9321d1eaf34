/* parts: what loading is made of, built from the options: the same for the live loader
 * and for a replay, which differ in where positions are kept and in what is read.
 *
 * Built and taken down on the main thread; the writer's thread runs in between.
 */
#ifndef LOADER_COMMANDS_PARTS_H
#define LOADER_COMMANDS_PARTS_H

#include "loader/commands/options.h"
#include "loader/consume/consumer.h"
#include "loader/consume/selection.h"
#include "loader/load/pipeline.h"
#include "loader/postgres/replay_runs.h"

#include "common/base/error.h"

struct parts_setup {
    const struct loader_options *options;
    const char *replay;       /* the run; NULL: live, in the group */
    const char *deletions_of; /* of a replay's target: the live schema, whose requests for
                                 deletion hold there too */
    bool overwrites;          /* of a replay */
    bool clears_rejected;     /* of a replay: what is loaded leaves _sdc_rejected */
    bool only_reads;          /* an audit: no sink, no pipeline, no writer */
};

struct parts {
    struct parts_setup setup;
    char owner[160];
    char **ignore_paths, **integration_names, **grant_select;
    struct loader_metrics *metrics;
    struct catalogue *catalogue;
    struct mapper *mapper;
    struct stream stream;
    struct sink sink;
    struct pipeline *pipeline;
    struct writer writer;
};

/* Builds all; a server that loading cannot work with is refused when it answers. On
 * failure parts_take_down frees what was built. */
MUST_CHECK bool parts_build(struct parts *p, const struct parts_setup *setup,
                            struct error *err);

/* Stops the writer and frees all, in reverse. */
void parts_take_down(struct parts *p);

/* What the consumer maps with. */
struct batch_context parts_batch_context(const struct parts *p);

/* Opens a stream beside the group; `context` is the parts. */
bool parts_open_again(void *context, struct stream *out, struct error *err);

/* From now on the stream is that of the run's ranges, as far as they are left
 * (replay_stream.h). The selection must outlive the parts. */
void parts_read_ranges(struct parts *p, const struct replay_run *run,
                       const struct selection *selection);

#endif

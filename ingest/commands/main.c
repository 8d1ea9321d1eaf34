/* backstitch-ingest: receives Segment events over HTTP and keeps them in Kafka. The table
 * of its commands; everything else is elsewhere. */
#include "ingest/commands/check.h"
#include "ingest/commands/options.h"
#include "ingest/commands/serve.h"
#include "ingest/commands/source_command.h"
#include "ingest/commands/topics.h"

#include "common/service/shutdown.h"

int main(int argc, char **argv)
{
    const struct command commands[] = {
        { .name = "serve",
          .summary = "receive events until stopped (the default)",
          .run = command_serve },
        { .name = "check",
          .summary = "check configuration, registry, Kafka and topics, then exit",
          .has_json = true,
          .run = command_check },
        { .name = "topics",
          .summary = "create the topics, or check those that exist",
          .flags = topics_option_table,
          .flags_size = sizeof(struct topics_flags),
          .has_json = true,
          .run = command_topics },
        { .name = "source add",
          .arguments = "NAME",
          .min_args = 1,
          .max_args = 1,
          .summary = "add a Segment source; prints its URL, credentials and schema",
          .flags = source_add_option_table,
          .flags_size = sizeof(struct source_add_flags),
          .has_json = true,
          .run = command_source_add },
        { .name = "source list",
          .summary = "list the sources",
          .has_json = true,
          .run = command_source_list },
        { .name = "source show",
          .arguments = "NAME",
          .min_args = 1,
          .max_args = 1,
          .summary = "show a source with its credentials, and what to paste where",
          .has_json = true,
          .run = command_source_show },
        { .name = "source remove",
          .arguments = "NAME",
          .min_args = 1,
          .max_args = 1,
          .summary = "remove a source; its schema and rows stay",
          .run = command_source_remove },
    };
    const struct program program = {
        .name = "backstitch-ingest",
        .summary = "Receives Segment events over HTTP, acknowledges each as soon as it "
                   "is durable, "
                   "and keeps it in Kafka.",
        .options = ingest_option_table,
        .config_size = sizeof(struct ingest_options),
        .check_config = ingest_options_check,
        .commands = commands,
        .command_count = sizeof commands / sizeof commands[0],
    };
    shutdown_block_signals();
    return command_main(&program, argc, argv);
}

/* backstitch-ingest: receives Segment events over HTTP and keeps them in Kafka. The table
 * of its commands; everything else is elsewhere. */
#include "ingest/commands/check.h"
#include "ingest/commands/drain.h"
#include "ingest/commands/import.h"
#include "ingest/commands/options.h"
#include "ingest/commands/serve.h"
#include "ingest/commands/source_command.h"
#include "ingest/commands/topics.h"

#include "common/service/shutdown.h"

#define MAX_COMMANDS 16

struct commands {
    struct command of[MAX_COMMANDS];
    size_t count;
};

static void add(struct commands *commands, const struct command *command)
{
    commands->of[commands->count++] = *command;
}

static void add_service_commands(struct commands *to)
{
    add(to, &(struct command){ .name = "serve",
                               .summary = "receive events until stopped (the default)",
                               .run = command_serve });
    add(to, &(struct command){ .name = "check",
                               .summary = "check configuration, registry, Kafka and "
                                          "topics, then exit",
                               .has_json = true,
                               .run = command_check });
    add(to, &(struct command){ .name = "drain",
                               .summary = "bring a spool that was left behind to Kafka, "
                                          "then exit",
                               .flags = drain_option_table,
                               .flags_size = sizeof(struct drain_flags),
                               .has_json = true,
                               .run = command_drain });
    add(to,
        &(struct command){
            .name = "import",
            .arguments = "FILE...",
            .min_args = 1,
            .max_args = 1000000,
            .summary = "bring events from files to Kafka: history, exports",
            .details =
                "A file holds one event a line, as JSON, plain or gzip: what "
                "Segment's S3 and Google Cloud Storage\ndestinations and RudderStack's "
                "object storage write. '-' is stdin. Each line goes through the "
                "checks\nand to the topics of what comes by HTTP; one that is no event "
                "goes to _sdc_rejected with its file\nand line. Stopped or killed, the "
                "same command goes on: at most one batch is sent twice, and\ncopies "
                "of an event are one row.",
            .flags = import_option_table,
            .flags_size = sizeof(struct import_flags),
            .has_json = true,
            .run = command_import });
    add(to, &(struct command){ .name = "topics",
                               .summary = "create the topics, or check those that exist",
                               .flags = topics_option_table,
                               .flags_size = sizeof(struct topics_flags),
                               .has_json = true,
                               .run = command_topics });
}

/* A command on one source, which its argument names. */
static struct command on_source(const char *name, const char *summary,
                                int (*run)(const struct command_call *call))
{
    return (struct command){ .name = name,
                             .arguments = "NAME",
                             .min_args = 1,
                             .max_args = 1,
                             .summary = summary,
                             .has_json = true,
                             .run = run };
}

static void add_source_commands(struct commands *to)
{
    struct command source_add = on_source(
        "source add", "add a Segment source; prints its URL, credentials and schema",
        command_source_add);
    source_add.flags = source_add_option_table;
    source_add.flags_size = sizeof(struct source_add_flags);
    add(to, &source_add);
    add(to, &(struct command){ .name = "source list",
                               .summary = "list the sources",
                               .has_json = true,
                               .run = command_source_list });
    struct command source_show = on_source(
        "source show", "show a source with its credentials, and what to paste where",
        command_source_show);
    add(to, &source_show);
    struct command rotate = on_source(
        "source rotate", "give a source new credentials beside the old, or end the old",
        command_source_rotate);
    rotate.details = "Two of a kind are good at once. First rotate, then give every "
                     "sender the new\ncredential, then end the old one: "
                     "source rotate NAME --token --retire";
    rotate.flags = source_rotate_option_table;
    rotate.flags_size = sizeof(struct source_rotate_flags);
    add(to, &rotate);
    struct command source_connect = on_source(
        "source connect", "have Segment send to a source, by Segment's Public API",
        command_source_connect);
    source_connect.details =
        "Lists the sources of the workspace that the token belongs to; with "
        "--segment-source makes\nthe destination Webhooks (Actions) for it, maps all "
        "events, and switches it on. Run again, it\nbrings what is there up to date, for "
        "example after a rotation.";
    source_connect.flags = source_connect_option_table;
    source_connect.flags_size = sizeof(struct source_connect_flags);
    add(to, &source_connect);
    struct command source_remove =
        on_source("source remove", "remove a source; its schema and rows stay",
                  command_source_remove);
    source_remove.flags = source_remove_option_table;
    source_remove.flags_size = sizeof(struct source_remove_flags);
    add(to, &source_remove);
}

int main(int argc, char **argv)
{
    struct commands commands = { .count = 0 };
    add_service_commands(&commands);
    add_source_commands(&commands);
    const struct program program = {
        .name = "backstitch-ingest",
        .summary = "Receives Segment events over HTTP, acknowledges each as soon as it "
                   "is durable, "
                   "and keeps it in Kafka.",
        .options = ingest_option_table,
        .config_size = sizeof(struct ingest_options),
        .check_config = ingest_options_check,
        .commands = commands.of,
        .command_count = commands.count,
    };
    shutdown_block_signals();
    return command_main(&program, argc, argv);
}

/* backstitch-loader: loads events from Kafka into PostgreSQL. The table of its commands;
 * everything else is elsewhere. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"

#include "common/service/shutdown.h"

static const struct option check_options[] = {
    { .env = "schema",
      .type = OPTION_TEXT,
      .offset = offsetof(struct check_flags, schema),
      .value_name = "SCHEMA",
      .help = "also tell what will become of this schema's tables and columns" },
};

static const struct option status_options[] = {
    { .env = "partitions",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct status_flags, partitions),
      .help = "also list each partition: position, log end, lag, who loaded it last" },
};

static const struct command commands[] = {
    { .name = "run",
      .summary = "load events until stopped (the default)",
      .run = command_run },
    { .name = "check",
      .summary = "check configuration, Kafka, PostgreSQL and rights, then exit",
      .flags = { .options = check_options, .count = 1 },
      .flags_size = sizeof(struct check_flags),
      .has_json = true,
      .run = command_check },
    { .name = "status",
      .summary = "show what is not loaded yet, what waits or stands and why",
      .flags = { .options = status_options, .count = 1 },
      .flags_size = sizeof(struct status_flags),
      .has_json = true,
      .run = command_status },
    { .name = "names",
      .arguments = "KEY...",
      .min_args = 1,
      .max_args = 1000,
      .summary = "show which column a key gets, and why",
      .details = "KEY is a dotted path as in the event, such as 'properties.Order ID'; a "
                 "dot inside of a "
                 "key is written '\\.'.",
      .has_json = true,
      .run = command_names },
};

int main(int argc, char **argv)
{
    shutdown_block_signals();
    const struct program program = {
        .name = "backstitch-loader",
        .summary = "Loads Segment events from Kafka into PostgreSQL: one table per event "
                   "type, one "
                   "row per message.",
        .options = loader_option_table,
        .config_size = sizeof(struct loader_options),
        .check_config = loader_options_check,
        .commands = commands,
        .command_count = sizeof commands / sizeof commands[0],
    };
    return command_main(&program, argc, argv);
}

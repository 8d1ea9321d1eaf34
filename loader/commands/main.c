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

/* Of all columns commands; `all` is what the command does without it. */
#define COLUMNS_WHERE(all)                                                               \
    { .env = "schema",                                                                   \
      .type = OPTION_TEXT,                                                               \
      .offset = offsetof(struct columns_flags, schema),                                  \
      .value_name = "SCHEMA",                                                            \
      .help = "the schema; without it " all },                                           \
    {                                                                                    \
        .env = "table", .type = OPTION_TEXT,                                             \
        .offset = offsetof(struct columns_flags, table), .value_name = "TABLE",          \
        .help = "the table, such as track"                                               \
    }

static const struct option columns_list_options[] = {
    COLUMNS_WHERE("all that were loaded"),
    { .env = "extra",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct columns_flags, extra),
      .help = "also count the paths in _sdc_extra (reads every row)" },
};

/* In the order of enum columns_type. */
static const char *const column_types[] = { "auto",        "text",  "numeric", "boolean",
                                            "timestamptz", "jsonb", NULL };

static const struct option columns_promote_options[] = {
    COLUMNS_WHERE("the one that was loaded, if it is the only one"),
    { .env = "type",
      .type = OPTION_CHOICE,
      .offset = offsetof(struct columns_flags, type),
      .fallback = "auto",
      .choices = column_types,
      .help = "type of the new column; auto follows from the values" },
};

static const struct option columns_demote_options[] = {
    COLUMNS_WHERE("the one that was loaded, if it is the only one"),
    { .env = "path",
      .type = OPTION_TEXT,
      .offset = offsetof(struct columns_flags, path),
      .value_name = "PATH",
      .help = "the path in the events, where the column's comment does not have it" },
};

static const struct option replay_options[] = {
    { .env = "topic",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, topic),
      .value_name = "TOPIC,..",
      .help = "what to read: track,identify,.. (default: all)" },
    { .env = "partition",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, partition),
      .value_name = "N,..",
      .help = "only these partitions of the topics" },
    { .env = "from-time",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, from_time),
      .value_name = "TIME",
      .help = "from what ingest gave to Kafka at this time on" },
    { .env = "from-offset",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, from_offset),
      .value_name = "OFFSET",
      .help = "from this offset on" },
    { .env = "from-earliest",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, from_earliest),
      .help = "from the first record that is still there" },
    { .env = "until-time",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, until_time),
      .value_name = "TIME",
      .help = "up to this time" },
    { .env = "until-offset",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, until_offset),
      .value_name = "OFFSET",
      .help = "up to this offset, which is not read any more" },
    { .env = "until-now",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, until_now),
      .help = "up to the end that the log has now (the default)" },
    { .env = "source",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, source),
      .value_name = "SOURCE,..",
      .help = "only events of these sources, by slug or schema" },
    { .env = "type",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, type),
      .value_name = "TYPE,..",
      .help = "only events of these types" },
    { .env = "message-id",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, message_id),
      .value_name = "ID,..",
      .help = "only these events" },
    { .env = "message-ids-from",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, message_ids_from),
      .value_name = "FILE",
      .help = "only the events whose ids are in this file, one a line; -: stdin" },
    { .env = "target-schema",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, target_schema),
      .value_name = "SCHEMA",
      .help = "load into this schema, beside the live one of --source" },
    { .env = "fresh-types",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, fresh_types),
      .help = "columns of the target follow from the events, not from the live tables" },
    { .env = "overwrite",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, overwrite),
      .help = "write rows anew even from the copy that they came from" },
    { .env = "allow-partial",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, allow_partial),
      .help = "go on without what retention has taken" },
    { .env = "rate",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, rate),
      .value_name = "N/s",
      .help = "at most so many records a second, as 2000/s" },
    { .env = "execute",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, execute),
      .help = "do it; without it only the plan is made and shown" },
    { .env = "resume",
      .type = OPTION_TEXT,
      .offset = offsetof(struct replay_flags, resume),
      .value_name = "RUN",
      .help = "execute a plan, or go on with a run" },
    { .env = "swap",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, swap),
      .help = "the target of a run that is done takes the live schema's place" },
    { .env = "list",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct replay_flags, list),
      .help = "show the plans and runs that there are" },
};

static const struct option erase_options[] = {
    { .env = "user-id",
      .type = OPTION_TEXT,
      .offset = offsetof(struct erase_flags, user_id),
      .value_name = "ID",
      .help = "this user asks for deletion now; without it, the open requests" },
    { .env = "schema",
      .type = OPTION_TEXT,
      .offset = offsetof(struct erase_flags, schema),
      .value_name = "SCHEMA",
      .help = "only this source's schema; needed with --user-id when there are several" },
    { .env = "dry-run",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct erase_flags, dry_run),
      .help = "count what would be deleted, and delete nothing" },
};

static const struct option audit_options[] = {
    { .env = "from-time",
      .type = OPTION_TEXT,
      .offset = offsetof(struct audit_flags, from_time),
      .value_name = "TIME",
      .help = "from what ingest gave to Kafka at this time on; default: all there is" },
    { .env = "until-time",
      .type = OPTION_TEXT,
      .offset = offsetof(struct audit_flags, until_time),
      .value_name = "TIME",
      .help = "up to this time; default: to the end" },
    { .env = "source",
      .type = OPTION_TEXT,
      .offset = offsetof(struct audit_flags, source),
      .value_name = "SOURCE,..",
      .help = "only events of these sources, by slug or schema" },
    { .env = "topic",
      .type = OPTION_TEXT,
      .offset = offsetof(struct audit_flags, topic),
      .value_name = "TOPIC,..",
      .help = "only these: track,identify,.." },
    { .env = "type",
      .type = OPTION_TEXT,
      .offset = offsetof(struct audit_flags, type),
      .value_name = "TYPE,..",
      .help = "only events of these types" },
    { .env = "limit",
      .type = OPTION_COUNT,
      .offset = offsetof(struct audit_flags, limit),
      .fallback = "50",
      .help = "list so many missing ids; --json has all" },
    { .env = "missing-to",
      .type = OPTION_TEXT,
      .offset = offsetof(struct audit_flags, missing_to),
      .value_name = "FILE",
      .help = "write the missing ids into this file, for replay --message-ids-from" },
};

#define REJECTED_WHICH                                                                   \
    { .env = "schema",                                                                   \
      .type = OPTION_TEXT,                                                               \
      .offset = offsetof(struct rejected_flags, schema),                                 \
      .value_name = "SCHEMA",                                                            \
      .help = "only of this source's schema" },                                          \
        { .env = "reason",                                                               \
          .type = OPTION_TEXT,                                                           \
          .offset = offsetof(struct rejected_flags, reason),                             \
          .value_name = "REASON",                                                        \
          .help = "only for this reason, such as 'refused by database'" },               \
        { .env = "since",                                                                \
          .type = OPTION_TEXT,                                                           \
          .offset = offsetof(struct rejected_flags, since),                              \
          .value_name = "TIME",                                                          \
          .help = "only what was rejected at this time or later" },                      \
    {                                                                                    \
        .env = "until", .type = OPTION_TEXT,                                             \
        .offset = offsetof(struct rejected_flags, until), .value_name = "TIME",          \
        .help = "only what was rejected before this time"                                \
    }

static const struct option rejected_list_options[] = { REJECTED_WHICH };

static const struct option rejected_retry_options[] = {
    REJECTED_WHICH,
    { .env = "execute",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct rejected_flags, execute),
      .help = "do it; without it only what would be read is shown" },
    { .env = "allow-partial",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct rejected_flags, allow_partial),
      .help = "go on without what retention has taken" },
};

static const struct option held_drop_options[] = {
    { .env = "why",
      .type = OPTION_TEXT,
      .offset = offsetof(struct held_flags, why),
      .value_name = "TEXT",
      .help = "kept with the gap that is noted" },
    { .env = "execute",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct held_flags, execute),
      .help = "do it; without it only what would be dropped is shown" },
};

static const struct option prune_options[] = {
    { .env = "statistics-older-than",
      .type = OPTION_DURATION,
      .offset = offsetof(struct prune_flags, statistics_ms),
      .fallback = "30d",
      .help = "statistics of minutes (load_stat)" },
    { .env = "replays-older-than",
      .type = OPTION_DURATION,
      .offset = offsetof(struct prune_flags, replays_ms),
      .fallback = "30d",
      .help = "plans, and replays that are done" },
    { .env = "rejected-older-than",
      .type = OPTION_DURATION,
      .offset = offsetof(struct prune_flags, rejected_ms),
      .help = "also rejected events, of all schemas" },
    { .env = "schema",
      .type = OPTION_TEXT,
      .offset = offsetof(struct prune_flags, schema),
      .value_name = "SCHEMA",
      .help = "also this schema, which a replay's swap has kept" },
    { .env = "execute",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct prune_flags, execute),
      .help = "do it; without it only what would be dropped is shown" },
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
    { .name = "columns list",
      .summary = "list the columns of tables, and what is in _sdc_extra",
      .details = "A column's state: key, system, filled, twin, split (Stitch's, no "
                 "longer filled), "
                 "foreign (no\npath gives its name), demoted.",
      .flags = { .options = columns_list_options, .count = 3 },
      .flags_size = sizeof(struct columns_flags),
      .has_json = true,
      .run = command_columns_list },
    { .name = "columns promote",
      .arguments = "PATH",
      .min_args = 1,
      .max_args = 1,
      .summary = "move a path's values from _sdc_extra into a column",
      .details =
          "PATH is as in _sdc_extra, such as 'properties.Order ID'. Makes the column if "
          "it is not there\n(beyond LOADER_MAX_COLUMNS too), then moves what the rows "
          "have, a thousand at a time, while\nloading goes on. What the column cannot "
          "hold goes to its twin. Stopped or failed, the same\ncommand goes on with the "
          "rest.",
      .flags = { .options = columns_promote_options, .count = 3 },
      .flags_size = sizeof(struct columns_flags),
      .has_json = true,
      .run = command_columns_promote },
    { .name = "columns demote",
      .arguments = "COLUMN",
      .min_args = 1,
      .max_args = 1,
      .summary = "move a column's values to _sdc_extra, and drop it",
      .details =
          "From now on values of its path go to _sdc_extra, until it is promoted again. "
          "The twin goes\nwith it. Moves a thousand rows at a time, while loading goes "
          "on; stopped or failed, the same\ncommand goes on with the rest.",
      .flags = { .options = columns_demote_options, .count = 3 },
      .flags_size = sizeof(struct columns_flags),
      .has_json = true,
      .run = command_columns_demote },
    { .name = "replay",
      .summary = "read records of the log again: rebuild any part of any table",
      .details =
          "Without --execute a plan is made: which offsets are read, their ends frozen, "
          "what retention has\ntaken. --resume executes it, and goes on after a stop or "
          "a crash, from any host. Loads as the\nlive loader does, beside it: copies of "
          "rows that are there change nothing, users who asked for\ndeletion stay "
          "deleted. While others load live it takes a quarter of the time. Exit codes: "
          "0\ndone and it adds up, 1 failed, 3 stopped.",
      .flags = { .options = replay_options,
                 .count = sizeof replay_options / sizeof replay_options[0] },
      .flags_size = sizeof(struct replay_flags),
      .has_json = true,
      .run = command_replay },
    { .name = "audit",
      .summary = "prove that nothing is missing: each id in the log is somewhere",
      .details =
          "Reads the log of the range, and looks each event up by its id: in its table, "
          "in "
          "_sdc_rejected,\nwithheld, held, not loaded yet, or missing. Writes nothing. "
          "What is missing is listed with the\ncommand that loads exactly that. Exit "
          "codes: 0 nothing is missing, 1 something is, 3 stopped.",
      .flags = { .options = audit_options,
                 .count = sizeof audit_options / sizeof audit_options[0] },
      .flags_size = sizeof(struct audit_flags),
      .has_json = true,
      .run = command_audit },
    { .name = "rejected list",
      .summary = "show what was rejected, by schema, table and reason",
      .flags = { .options = rejected_list_options, .count = 4 },
      .flags_size = sizeof(struct rejected_flags),
      .has_json = true,
      .run = command_rejected_list },
    { .name = "rejected show",
      .arguments = "MESSAGE_ID",
      .min_args = 1,
      .max_args = 1,
      .summary = "print a rejected event as it was sent, and where it is in Kafka",
      .flags = { .options = rejected_list_options, .count = 1 },
      .flags_size = sizeof(struct rejected_flags),
      .has_json = true,
      .run = command_rejected_show },
    { .name = "rejected retry",
      .summary = "load rejected events again, from Kafka",
      .details =
          "Reads each at its topic, partition and offset, maps it as it is mapped today, "
          "and "
          "removes it from\n_sdc_rejected in the transaction that loads its row. What is "
          "refused again stays, with its attempts\ncounted. What ingest refused says so "
          "in "
          "its record: sending it again is all that helps.",
      .flags = { .options = rejected_retry_options, .count = 6 },
      .flags_size = sizeof(struct rejected_flags),
      .has_json = true,
      .run = command_rejected_retry },
    { .name = "held list",
      .summary = "show what waits in Kafka for tables that cannot be loaded",
      .has_json = true,
      .run = command_held_list },
    { .name = "held drop",
      .arguments = "SCHEMA.TABLE",
      .min_args = 1,
      .max_args = 1,
      .summary = "let go of what waits for a table",
      .details =
          "Its records are not loaded when the table is mended. The gap is noted "
          "in backstitch.offset_gap,\nwith the reason; while Kafka has the records, "
          "a replay loads them after all.",
      .flags = { .options = held_drop_options, .count = 2 },
      .flags_size = sizeof(struct held_flags),
      .run = command_held_drop },
    { .name = "prune",
      .summary = "drop what is over its time: statistics, replays, rejected events",
      .flags = { .options = prune_options, .count = 5 },
      .flags_size = sizeof(struct prune_flags),
      .has_json = true,
      .run = command_prune },
    { .name = "erase",
      .summary = "delete the rows of users who asked for it, and report",
      .details =
          "Works on the open requests of backstitch.deletion, which delete notifications "
          "make, or on --user-id.\nDeletes what is from before the request in every "
          "table "
          "of the schema, _sdc_rejected included, in\ntargets of replays and in schemas "
          "that a swap has kept, at most 5,000 rows at a time, while loading\ngoes on. "
          "Copies that come later, from wherever, are withheld and counted. Stopped or "
          "failed, the\nsame command goes on with the rest.",
      .flags = { .options = erase_options,
                 .count = sizeof erase_options / sizeof erase_options[0] },
      .flags_size = sizeof(struct erase_flags),
      .has_json = true,
      .run = command_erase },
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

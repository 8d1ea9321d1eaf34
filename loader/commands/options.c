#include "loader/commands/options.h"

#include "loader/postgres/connection.h"

#include "common/base/mem.h"
#include "common/contract/event_type.h"
#include "common/service/process_options.h"

#include <stdlib.h>
#include <string.h>

/* PostgreSQL's limit is 1,600 columns, dropped ones counted; twins may come on top of
 * ours (mapping.md, section 3). */
#define MAX_COLUMNS_LIMIT 1500

static const char *const duplicate_choices[] = { "oldest", "newest", NULL };
static const char *const schema_choices[] = { "open", "frozen", NULL };

#define AT(member) offsetof(struct loader_options, member)

static const struct option options[] = {
    PROCESS_OPTIONS,
    { .env = "DATABASE_URL",
      .type = OPTION_TEXT,
      .offset = AT(database_url),
      .is_secret = true,
      .has_file_variant = true,
      .file_offset = AT(database_url_file),
      .value_name = "URL",
      .help = "PostgreSQL to load into, as a libpq URI; unset: libpq's own defaults "
              "(PGHOST, ..)" },
    { .env = "LOADER_ADMIN_LISTEN",
      .type = OPTION_LISTEN,
      .offset = AT(admin_listen),
      .fallback = "127.0.0.1:8082",
      .help = "address of /healthz, /readyz and /metrics" },
    { .env = "LOADER_GROUP",
      .type = OPTION_TEXT,
      .offset = AT(group),
      .fallback = "backstitch-loader",
      .is_required = true,
      .value_name = "GROUP",
      .help = "Kafka consumer group; positions are kept per group" },
    { .env = "LOADER_BATCH_ROWS",
      .type = OPTION_COUNT,
      .offset = AT(batch_rows),
      .fallback = "5000",
      .min = 1,
      .max = 100000,
      .help = "most events in one transaction" },
    { .env = "LOADER_BATCH_BYTES",
      .type = OPTION_SIZE,
      .offset = AT(batch_bytes),
      .fallback = "8MiB",
      .min = 1024,
      .max = 1ULL << 30,
      .help = "most bytes of events in one transaction" },
    { .env = "LOADER_BATCH_AGE",
      .type = OPTION_DURATION,
      .offset = AT(batch_age_ms),
      .fallback = "5ms",
      .min = 0,
      .max = 60000,
      .help = "how long the first event of a batch waits for others" },
    { .env = "LOADER_DUPLICATES",
      .type = OPTION_CHOICE,
      .offset = AT(duplicates),
      .fallback = "oldest",
      .choices = duplicate_choices,
      .help =
          "which copy of an event stays: the one received first, or last (as Stitch)" },
    { .env = "LOADER_INTEGRATION_NAMES",
      .type = OPTION_TEXT,
      .offset = AT(integration_names),
      .value_name = "NAME,..",
      .help = "further names that select us in an event's integrations" },
    { .env = "LOADER_SCHEMA",
      .type = OPTION_CHOICE,
      .offset = AT(schema_mode),
      .fallback = "open",
      .choices = schema_choices,
      .help = "frozen: no new columns; values without a column go to _sdc_extra" },
    { .env = "LOADER_NEW_COLUMNS_PER_HOUR",
      .type = OPTION_COUNT,
      .offset = AT(new_columns_per_hour),
      .fallback = "100",
      .min = 0,
      .max = 100000,
      .help = "growth of a table after its first day; what is above goes to _sdc_extra" },
    { .env = "LOADER_ACCEPT_GAP",
      .type = OPTION_TEXT,
      .offset = AT(accept_gap),
      .value_name = "TOPIC:PARTITION,..",
      .help = "go on past records that the log no longer has, in these partitions" },
    { .env = "LOADER_ACCEPT_NEW_LOG",
      .type = OPTION_TEXT,
      .offset = AT(accept_new_log),
      .value_name = "TOPIC,..",
      .help = "load these topics from their start: they were created again" },
    { .env = "LOADER_GRANT_SELECT",
      .type = OPTION_TEXT,
      .offset = AT(grant_select),
      .value_name = "ROLE,..",
      .help = "roles that may read what the loader creates" },
    { .env = "LOADER_MAX_COLUMNS",
      .type = OPTION_COUNT,
      .offset = AT(max_columns),
      .fallback = "800",
      .min = 30,
      .max = MAX_COLUMNS_LIMIT,
      .help = "columns a table may have; further values go to _sdc_extra" },
    { .env = "LOADER_IGNORE_PATHS",
      .type = OPTION_TEXT,
      .offset = AT(ignore_paths),
      .fallback = "integrations,_metadata,writeKey",
      .value_name = "PATH,..",
      .help = "dotted paths that get no column, with all under them" },
};

const struct option_table loader_option_table = {
    .env_prefix = "LOADER_",
    .options = options,
    .count = sizeof options / sizeof options[0],
};

void loader_options_check(const void *config, struct buf *mistakes)
{
    const struct loader_options *o = config;
    struct error err;
    if (!connection_check_url(o->database_url, &err)) {
        buf_printf(mistakes, "DATABASE_URL: %s\n", err.text);
    }
    if (!topic_prefix_is_valid(o->topic_prefix)) {
        buf_printf(mistakes,
                   "KAFKA_TOPIC_PREFIX: '%s' is no part of a topic's name: use 1 to 200 "
                   "letters, "
                   "digits, '.', '_' or '-', for example segment\n",
                   o->topic_prefix);
    }
}

char **loader_options_list(const char *comma_separated)
{
    size_t count = 0;
    char **list = mem_calloc(1, sizeof *list);
    struct view rest = view_cstr(comma_separated);
    while (rest.len > 0) {
        const char *comma = memchr(rest.data, ',', rest.len);
        size_t len = comma == NULL ? rest.len : (size_t)(comma - rest.data);
        struct view item = view_trim(view_of(rest.data, len));
        rest = view_skip(rest, comma == NULL ? len : len + 1);
        if (item.len > 0) {
            list = mem_resize(list, count + 2, sizeof *list);
            list[count++] = mem_strdup_view(item);
            list[count] = NULL;
        }
    }
    return list;
}

void loader_options_free_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        free(list[i]);
    }
    free(list);
}

#include "loader/commands/shared.h"

#include "loader/postgres/control_schema.h"

#include "common/service/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KAFKA_TIMEOUT_MS 10000

struct log_bounds_setup shared_log_setup(const struct loader_options *o)
{
    return (struct log_bounds_setup){ .brokers = o->kafka_brokers,
                                      .config_file = o->kafka_config_file,
                                      .topic_prefix = o->topic_prefix,
                                      .timeout_ms = KAFKA_TIMEOUT_MS };
}

bool shared_read_log(const struct loader_options *o, struct log_bounds *out,
                     struct error *err)
{
    struct log_bounds_setup setup = shared_log_setup(o);
    return log_bounds_read(&setup, out, err) ||
           error_prefix(err, "KAFKA_BROKERS=%s", o->kafka_brokers);
}

bool shared_open_database(const struct loader_options *o, struct connection *out,
                          struct error *err)
{
    return (connection_open(out, o->database_url, err) &&
            control_schema_migrate(out, err)) ||
           error_prefix(err, "DATABASE_URL");
}

void shared_configure_log(const struct loader_options *o)
{
    unsigned level = o->log_level;
    if (isatty(STDERR_FILENO) == 1 && level < LOG_WARN) {
        level = LOG_WARN;
    }
    log_configure((enum log_level)level, (enum log_format)o->log_format);
}

int shared_fail(const struct command_call *call, const struct error *err)
{
    fprintf(stderr, "%s %s: %s\n", call->program->name, call->command->name, err->text);
    return strcmp(err->code, SHARED_USAGE) == 0 ? EXIT_USAGE : EXIT_FAILED;
}

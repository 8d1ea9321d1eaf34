/* process_options: the options that every process of ours has, as rows that its own table
 * begins with.
 *
 * The table's file defines AT(member), the offset of a member of its struct of options,
 * which has kafka_brokers, topic_prefix, kafka_config_file (char *), log_level and
 * log_format (int).
 */
#ifndef COMMON_SERVICE_PROCESS_OPTIONS_H
#define COMMON_SERVICE_PROCESS_OPTIONS_H

#include "common/service/options.h"

/* In the order of enum log_level and enum log_format; NULL-ended. */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

/* clang-format off */
#define PROCESS_OPTIONS                                                                  \
    { .env = "KAFKA_BROKERS",                                                            \
      .type = OPTION_TEXT,                                                               \
      .offset = AT(kafka_brokers),                                                       \
      .fallback = "localhost:9092",                                                      \
      .is_required = true,                                                               \
      .value_name = "HOST:PORT,..",                                                      \
      .help = "Kafka brokers to start from" },                                           \
    { .env = "KAFKA_TOPIC_PREFIX",                                                       \
      .type = OPTION_TEXT,                                                               \
      .offset = AT(topic_prefix),                                                        \
      .fallback = "segment",                                                             \
      .is_required = true,                                                               \
      .value_name = "PREFIX",                                                            \
      .help = "topics are PREFIX.track, PREFIX.identify, .." },                          \
    { .env = "KAFKA_CONFIG_FILE",                                                        \
      .type = OPTION_TEXT,                                                               \
      .offset = AT(kafka_config_file),                                                   \
      .value_name = "FILE",                                                              \
      .help = "librdkafka properties, one key=value a line (TLS, SASL, timeouts)" },     \
    { .env = "LOG_LEVEL",                                                                \
      .type = OPTION_CHOICE,                                                             \
      .offset = AT(log_level),                                                           \
      .fallback = "info",                                                                \
      .choices = log_level_names,                                                        \
      .help = "least level of the lines that are written" },                             \
    { .env = "LOG_FORMAT",                                                               \
      .type = OPTION_CHOICE,                                                             \
      .offset = AT(log_format),                                                          \
      .fallback = "logfmt",                                                              \
      .choices = log_format_names,                                                       \
      .help = "format of log lines on stderr" }
/* clang-format on */

#endif

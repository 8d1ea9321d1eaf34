/* kafka_conf: librdkafka's configuration for our roles, and what its error codes mean.
 *
 * The properties that the delivery guarantees depend on are set here and cannot be
 * overridden: KAFKA_CONFIG_FILE (one key=value a line, '#' comments) may bring TLS, SASL
 * and timeouts; a guarded property in it is refused by name. Sources of the values:
 * architecture.md 6 and performance.md 3 of the design, measured on librdkafka 2.0.2. The
 * handle types are librdkafka's own, declared here by tag so that its header stays out of
 * ours.
 */
#ifndef COMMON_SERVICE_KAFKA_CONF_H
#define COMMON_SERVICE_KAFKA_CONF_H

#include "common/base/error.h"

#include <stdint.h>

struct rd_kafka_conf_s;
struct rd_kafka_s;

enum kafka_role { KAFKA_PRODUCER, KAFKA_CONSUMER, KAFKA_ADMIN };

struct kafka_conf_settings {
    enum kafka_role role;
    const char *brokers;
    const char *config_file; /* NULL or empty: none */
    const char *client_id;   /* NULL: "backstitch", host, process id */
    const char *group;       /* consumers */
    uint64_t
        message_max_bytes; /* producers: the largest record; 0: librdkafka's default */
};

/* A configuration for the role: guarded values, then the file's. INVALID names every
 * refused or unknown property of the file with its line. The caller owns *out until it
 * gives it to rd_kafka_new. librdkafka's own log lines go to our log. */
MUST_CHECK bool kafka_conf_new(const struct kafka_conf_settings *settings,
                               struct rd_kafka_conf_s **out, struct error *err);

/* Gives a client the user name and password that `config_file` holds now: its next
 * connections log in with them, so that a rotated password needs no restart. For error
 * callbacks, when a broker refused the log-in; nothing when `code` is another. What
 * cannot be read leaves the old ones in force, and is said. */
void kafka_conf_renew_credentials(struct rd_kafka_s *client, int code,
                                  const char *config_file);

/* The class of a librdkafka error code (rd_kafka_resp_err_t as int): RETRY for what
 * passes by itself (brokers away, time-outs, leadership, unknown topic, authorization: as
 * Kafka being away), INVALID for what this record can never pass (too large, refused by
 * the broker as invalid), FATAL for librdkafka's fatal state, BUSY for a full queue. */
enum error_class kafka_error_class(int code);

/* Fills *err from a code: class, librdkafka's name and "what: text"; returns false. */
bool kafka_error_set(struct error *err, int code, const char *what);

#endif

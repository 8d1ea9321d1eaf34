#include "common/service/kafka_conf.h"

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_FILE_MAX_BYTES ((size_t)256 * 1024)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct property {
    const char *name;
    const char *value;
};

static const struct property common_properties[] = {
    { "socket.nagle.disable", "true" },      { "socket.keepalive.enable", "true" },
    { "reconnect.backoff.ms", "100" },       { "reconnect.backoff.max.ms", "1000" },
    { "log.connection.close", "false" },     /* brokers close idle connections: no news */
    { "allow.auto.create.topics", "false" }, /* a topic made by accident has the wrong
                                                settings */
};

static const struct property producer_properties[] = {
    { "enable.idempotence", "true" },
    { "acks", "all" },
    { "compression.codec", "lz4" },
    /* A group of records lasts as long (ingest/durable/kafka_groups.h): the next group's
     * first record wakes the broker's thread, which then finds the last one due. */
    { "linger.ms", "1" },
    /* A partition that waits for an acknowledgement must not have more to send: 2.0.2
     * would poll without pause (performance.md, section 10). */
    { "max.in.flight", "2" },
    { "message.timeout.ms", "120000" },
    { "batch.size", "1000000" },
    /* ingest's own budget of bytes in flight (256 MiB by default) ends first. */
    { "queue.buffering.max.messages", "1000000" },
    { "queue.buffering.max.kbytes", "1048576" },
};

static const struct property consumer_properties[] = {
    { "enable.auto.commit", "false" },
    { "enable.auto.offset.store", "false" },
    { "auto.offset.reset", "error" }, /* a gap is an operator's decision */
    { "isolation.level", "read_committed" },
    { "check.crcs", "true" },
    { "partition.assignment.strategy",
      "roundrobin" }, /* range leaves some loaders idle */
    { "max.poll.interval.ms", "300000" },
    { "session.timeout.ms", "10000" }, /* how long a killed loader holds its partitions */
    { "heartbeat.interval.ms", "3000" },
    /* Freeing a consumer waits so long for a commit that Kafka does not answer: with
     * librdkafka's own minute a stop can outlast the kubelet's patience. Joining the
     * group and fetching have times of their own. */
    { "socket.timeout.ms", "10000" },
    /* Fetched ahead, of all partitions together: their queues are one. When it is full
     * librdkafka stops fetching; see newer_consumer_properties for what begins it again.
     */
    { "queued.min.messages", "4000" },
    { "queued.max.messages.kbytes", "65536" },
    /* One answer holds up to this of each partition, compressed: what is fetched ahead
     * at once, and so most of the loader's memory (1 MiB: 137 MB instead of 92). */
    { "max.partition.fetch.bytes", "262144" },
    { "fetch.wait.max.ms", "100" }, /* a pause or seek waits for the fetch under way */
    { "topic.metadata.refresh.interval.ms",
      "10000" }, /* a topic that is made later is noticed soon */
};

/* Set where this librdkafka knows them. Before 2.2.0 a consumer whose queue was full
 * sleeps for up to a second whatever becomes of the queue: loader/consume/fetch_waker.h
 * is for that. */
static const struct property newer_consumer_properties[] = {
    { "fetch.queue.backoff.ms", "10" },
};

/* What the delivery guarantees depend on, and what would take callbacks away from us.
 * With the reason or the option that is meant instead. */
static const struct {
    const char *name;
    const char *instead;
} guarded[] = {
    { "acks", "events are acknowledged only when all replicas have them" },
    { "allow.auto.create.topics", "backstitch-ingest topics creates them" },
    { "auto.commit.enable", "positions are kept in PostgreSQL" },
    { "auto.offset.reset", "a gap in the log is an operator's decision" },
    { "bootstrap.servers", "use KAFKA_BROKERS" },
    { "check.crcs", "records are checked" },
    { "delivery.report.only.error", "deliveries are what is acknowledged" },
    { "enable.auto.commit", "positions are kept in PostgreSQL" },
    { "enable.auto.offset.store", "positions are kept in PostgreSQL" },
    { "enable.gapless.guarantee", "retries would end the process" },
    { "enable.idempotence", "retries would duplicate and reorder records" },
    { "enable.partition.eof", "the loader does not expect such events" },
    { "enabled_events", "deliveries are reported by callback" },
    { "group.id", "use LOADER_GROUP" },
    { "group.instance.id", "loaders come and go" },
    { "isolation.level", "records of aborted transactions are no events" },
    { "log.queue", "log lines go to stderr" },
    { "max.in.flight", "idempotence limits it" },
    { "max.in.flight.requests.per.connection", "idempotence limits it" },
    { "message.max.bytes", "it follows INGEST_MAX_EVENT_BYTES" },
    { "message.send.max.retries", "idempotence decides on retries" },
    { "metadata.broker.list", "use KAFKA_BROKERS" },
    { "offset.store.method", "positions are kept in PostgreSQL" },
    { "partition.assignment.strategy", "all loaders must use the same" },
    { "partitioner", "records are sent in groups, whatever their key" },
    { "request.required.acks",
      "events are acknowledged only when all replicas have them" },
    { "retries", "idempotence decides on retries" },
    { "transactional.id", "records are produced without transactions" },
};

/* librdkafka repeats itself while a broker is away: that is for debugging. The start and
 * end of an outage are told by who uses the client (log_outage). */
static void on_log(const rd_kafka_t *client, int syslog_level, const char *facility,
                   const char *text)
{
    (void)client;
    const int critical = 2;
    log_line(syslog_level <= critical ? LOG_ERROR : LOG_DEBUG, "librdkafka",
             log_text("facility", facility), log_text("text", text));
}

/* Values of ours that librdkafka refuses are our bug. */
static void set_own(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
        mem_panic(__FILE__, __LINE__, why);
    }
}

static void set_table(rd_kafka_conf_t *conf, const struct property *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        set_own(conf, table[i].name, table[i].value);
    }
}

/* The same, but what an older librdkafka does not know is left out. */
static void set_known(rd_kafka_conf_t *conf, const struct property *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char why[256];
        rd_kafka_conf_res_t result =
            rd_kafka_conf_set(conf, table[i].name, table[i].value, why, sizeof why);
        REQUIRE(result == RD_KAFKA_CONF_OK || result == RD_KAFKA_CONF_UNKNOWN);
    }
}

static void set_client_id(rd_kafka_conf_t *conf, const char *client_id)
{
    char host[128] = "";
    char made[192];
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    snprintf(made, sizeof made, "backstitch-%s-%ld", host, (long)getpid());
    set_own(conf, "client.id", client_id == NULL ? made : client_id);
}

/* Names whose value must not be in a message. */
static bool is_secret(const char *name)
{
    static const char *const words[] = { "password", "secret", "token",
                                         "key",      "jaas",   "pem" };
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strstr(name, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Sets one property of the file; otherwise appends why not to `refused`. */
static void set_from_file(rd_kafka_conf_t *conf, const char *name, const char *value,
                          struct buf *refused)
{
    for (size_t i = 0; i < COUNT(guarded); i++) {
        if (strcmp(name, guarded[i].name) == 0) {
            buf_printf(refused, "'%s' may not be set: %s", name, guarded[i].instead);
            return;
        }
    }
    char why[256];
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, why, sizeof why);
    if (result == RD_KAFKA_CONF_UNKNOWN) {
        buf_printf(refused, "'%s' is no property of librdkafka", name);
    } else if (result != RD_KAFKA_CONF_OK) {
        buf_printf(refused, "'%s' is refused%s%s", name, is_secret(name) ? "" : ": ",
                   is_secret(name) ? "" : why);
    }
}

/* One line, without its newline: "key=value", a comment, or blank. */
static void read_line(rd_kafka_conf_t *conf, struct view line, struct buf *refused)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    line = view_trim(line);
    if (line.len == 0 || line.data[0] == '#') {
        return;
    }
    const char *equals = memchr(line.data, '=', line.len);
    if (equals == NULL || equals == line.data) {
        buf_add_cstr(refused,
                     "no key=value"); /* not the line: it may be part of a secret */
        return;
    }
    size_t name_len = (size_t)(equals - line.data);
    char *name = mem_strdup_view(view_trim(view_of(line.data, name_len)));
    char *value = mem_strdup_view(view_trim(view_skip(line, name_len + 1)));
    set_from_file(conf, name, value, refused);
    free(name);
    free(value);
}

/* All lines; INVALID with every refused one. */
static bool read_lines(rd_kafka_conf_t *conf, const char *path, struct view rest,
                       struct error *err)
{
    struct buf refused = { 0 };
    for (unsigned number = 1; rest.len > 0; number++) {
        const char *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline == NULL ? rest.len : (size_t)(newline - rest.data);
        struct buf why = { 0 };
        read_line(conf, view_of(rest.data, len), &why);
        if (why.len > 0) {
            buf_printf(&refused, "%sline %u: %s", refused.len == 0 ? "" : "; ", number,
                       buf_cstr(&why));
        }
        buf_release(&why);
        rest = view_skip(rest, newline == NULL ? len : len + 1);
    }
    bool is_accepted = refused.len == 0;
    if (!is_accepted) {
        error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "KAFKA_CONFIG_FILE %s: %s",
                  path, buf_cstr(&refused));
    }
    buf_release(&refused);
    return is_accepted;
}

static bool read_file(rd_kafka_conf_t *conf, const char *path, struct error *err)
{
    struct buf content = { 0 };
    bool is_read = file_read(path, CONFIG_FILE_MAX_BYTES, &content, err);
    if (!is_read) {
        error_prefix(err, "KAFKA_CONFIG_FILE");
    } else if (content.len > 0) {
        is_read = read_lines(conf, path, buf_view(&content), err);
    }
    buf_release(&content);
    return is_read;
}

bool kafka_conf_new(const struct kafka_conf_settings *settings,
                    struct rd_kafka_conf_s **out, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char number[24];
    rd_kafka_conf_set_log_cb(conf, on_log);
    set_own(conf, "bootstrap.servers", settings->brokers);
    set_client_id(conf, settings->client_id);
    set_table(conf, common_properties, COUNT(common_properties));
    switch (settings->role) {
    case KAFKA_PRODUCER:
        set_table(conf, producer_properties, COUNT(producer_properties));
        if (settings->message_max_bytes > 0) {
            snprintf(number, sizeof number, "%llu",
                     (unsigned long long)settings->message_max_bytes);
            set_own(conf, "message.max.bytes", number);
        }
        break;
    case KAFKA_CONSUMER:
        set_table(conf, consumer_properties, COUNT(consumer_properties));
        set_known(conf, newer_consumer_properties, COUNT(newer_consumer_properties));
        set_own(conf, "group.id", settings->group);
        break;
    case KAFKA_ADMIN:
        break;
    }
    bool has_file = settings->config_file != NULL && settings->config_file[0] != '\0';
    if (has_file && !read_file(conf, settings->config_file, err)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    *out = conf;
    return true;
}

static bool read_property(const rd_kafka_conf_t *conf, const char *name, char out[512])
{
    size_t size = 512;
    out[0] = '\0';
    return rd_kafka_conf_get(conf, name, out, &size) == RD_KAFKA_CONF_OK &&
           out[0] != '\0';
}

void kafka_conf_renew_credentials(struct rd_kafka_s *client, int code,
                                  const char *config_file)
{
    bool is_refused = code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
    if (!is_refused || config_file == NULL || config_file[0] == '\0') {
        return;
    }
    char user[512];
    char password[512];
    struct error err;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!read_file(conf, config_file, &err)) {
        log_failure(LOG_WARN, "kafka_credentials_not_read", &err);
    } else if (read_property(conf, "sasl.username", user) &&
               read_property(conf, "sasl.password", password)) {
        rd_kafka_error_destroy(rd_kafka_sasl_set_credentials(client, user, password));
    }
    rd_kafka_conf_destroy(conf);
}

/* All other codes pass by themselves, or may: brokers away, leadership, a missing topic
 * or right. Trying again loses nothing; refusing an event for a reason that is not in the
 * event would. */
static const struct {
    rd_kafka_resp_err_t code;
    enum error_class class;
} exceptions[] = {
    { RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERROR_INVALID },
    { RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, ERROR_INVALID },
    { RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, ERROR_INVALID },
    { RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, ERROR_INVALID },
    { RD_KAFKA_RESP_ERR_INVALID_RECORD, ERROR_INVALID },
    { RD_KAFKA_RESP_ERR__QUEUE_FULL, ERROR_BUSY },
    { RD_KAFKA_RESP_ERR__FATAL, ERROR_FATAL },
    { RD_KAFKA_RESP_ERR__FENCED, ERROR_FATAL },
    { RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, ERROR_FATAL },
};

enum error_class kafka_error_class(int code)
{
    for (size_t i = 0; i < COUNT(exceptions); i++) {
        if ((int)exceptions[i].code == code) {
            return exceptions[i].class;
        }
    }
    return ERROR_RETRY;
}

bool kafka_error_set(struct error *err, int code, const char *what)
{
    rd_kafka_resp_err_t known = (rd_kafka_resp_err_t)code;
    return error_set(err, kafka_error_class(code), ERROR_FROM_KAFKA,
                     rd_kafka_err2name(known), "%s: %s", what, rd_kafka_err2str(known));
}

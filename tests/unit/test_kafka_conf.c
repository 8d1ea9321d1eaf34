/* librdkafka's configuration: what is guarded stays, what the file brings is checked by
 * line. */
#include "tests/support/capture.h"
#include "tests/support/contains.h"

#include "common/service/kafka_conf.h"
#include "common/service/log.h"

#include <librdkafka/rdkafka.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_property(const rd_kafka_conf_t *conf, const char *name,
                            const char *expected)
{
    char value[512];
    size_t size = sizeof value;
    if (rd_kafka_conf_get(conf, name, value, &size) != RD_KAFKA_CONF_OK ||
        strcmp(value, expected) != 0) {
        fail_msg("%s is '%s' instead of '%s'", name, value, expected);
    }
}

static rd_kafka_conf_t *make(enum kafka_role role, const char *config_file)
{
    struct kafka_conf_settings settings = { .role = role,
                                            .brokers = "localhost:1,localhost:2",
                                            .config_file = config_file,
                                            .group = "g" };
    rd_kafka_conf_t *conf = NULL;
    struct error err;
    if (!kafka_conf_new(&settings, &conf, &err)) {
        fail_msg("refused: %s", err.text);
    }
    return conf;
}

struct expected_property {
    const char *name;
    const char *value;
};

static void check(enum kafka_role role, const struct expected_property *expected,
                  size_t count)
{
    rd_kafka_conf_t *conf = make(role, NULL);
    for (size_t i = 0; i < count; i++) {
        assert_property(conf, expected[i].name, expected[i].value);
    }
    assert_property(conf, "bootstrap.servers", "localhost:1,localhost:2");
    assert_property(conf, "socket.nagle.disable", "true");
    assert_property(conf, "socket.keepalive.enable", "true");
    assert_property(conf, "reconnect.backoff.max.ms", "1000");
    assert_property(conf, "allow.auto.create.topics", "false");
    rd_kafka_conf_destroy(conf);
}

#define CHECK(role, expected)                                                            \
    check(role, expected, sizeof(expected) / sizeof(expected)[0])

static void test_the_producer_keeps_what_it_acknowledges(void **state)
{
    (void)state;
    static const struct expected_property expected[] = {
        { "enable.idempotence", "true" },   { "acks", "-1" },
        { "compression.codec", "lz4" },     { "linger.ms", "1" },
        { "message.timeout.ms", "120000" }, { "max.in.flight", "2" },
        { "batch.size", "1000000" },
    };
    CHECK(KAFKA_PRODUCER, expected);
}

static void test_the_consumer_commits_nothing_by_itself(void **state)
{
    (void)state;
    static const struct expected_property expected[] = {
        { "enable.auto.commit", "false" },
        { "enable.auto.offset.store", "false" },
        { "auto.offset.reset", "error" },
        { "isolation.level", "read_committed" },
        { "check.crcs", "true" },
        { "partition.assignment.strategy", "roundrobin" },
        { "max.poll.interval.ms", "300000" },
        { "session.timeout.ms", "10000" },
        { "heartbeat.interval.ms", "3000" },
        { "queued.max.messages.kbytes", "65536" },
        { "max.partition.fetch.bytes", "262144" },
        { "queued.min.messages", "4000" },
        { "group.id", "g" },
    };
    CHECK(KAFKA_CONSUMER, expected);
}

static void test_the_admin_client_has_the_common_values(void **state)
{
    (void)state;
    static const struct expected_property expected[] = { { "enable.idempotence",
                                                           "false" } };
    CHECK(KAFKA_ADMIN, expected);
}

static void test_the_client_id_names_host_and_process_unless_given(void **state)
{
    (void)state;
    char host[128] = "";
    char expected[256];
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    snprintf(expected, sizeof expected, "backstitch-%s-%ld", host, (long)getpid());
    rd_kafka_conf_t *conf = make(KAFKA_ADMIN, NULL);
    assert_property(conf, "client.id", expected);
    rd_kafka_conf_destroy(conf);

    struct kafka_conf_settings settings = { .role = KAFKA_ADMIN,
                                            .brokers = "b",
                                            .client_id = "mine" };
    struct error err;
    assert_true(kafka_conf_new(&settings, &conf, &err));
    assert_property(conf, "client.id", "mine");
    rd_kafka_conf_destroy(conf);
}

/* A properties file; the name lives until the next call. */
static const char *write_file(const char *content)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/backstitch-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    (void)close(fd);
    return path;
}

static void test_the_file_brings_security_and_timeouts(void **state)
{
    (void)state;
    const char *path = write_file("# TLS\r\n"
                                  "security.protocol = sasl_ssl\r\n"
                                  "\n"
                                  "  sasl.password=a=b # c\n"
                                  "session.timeout.ms=30000\n"
                                  "compression.codec=zstd");
    rd_kafka_conf_t *conf = make(KAFKA_CONSUMER, path);
    assert_property(conf, "security.protocol", "sasl_ssl");
    assert_property(conf, "sasl.password", "a=b # c");
    assert_property(conf, "session.timeout.ms", "30000");
    assert_property(conf, "compression.codec", "zstd");
    rd_kafka_conf_destroy(conf);
    (void)unlink(path);

    path = write_file("");
    rd_kafka_conf_destroy(make(KAFKA_PRODUCER, path));
    (void)unlink(path);
}

static void test_an_empty_file_name_is_no_file(void **state)
{
    (void)state;
    rd_kafka_conf_destroy(make(KAFKA_PRODUCER, ""));
}

static void assert_refused(const char *content, const char *const *parts)
{
    const char *path = write_file(content);
    struct kafka_conf_settings settings = { .role = KAFKA_PRODUCER,
                                            .brokers = "b",
                                            .config_file = path };
    rd_kafka_conf_t *conf = NULL;
    struct error err;
    assert_false(kafka_conf_new(&settings, &conf, &err));
    (void)unlink(path);
    assert_null(conf);
    assert_int_equal(err.class, ERROR_INVALID);
    assert_non_null(strstr(err.text, path));
    for (; *parts != NULL; parts++) {
        assert_contains(err.text, *parts);
    }
    assert_null(strstr(err.text, "hunter2"));
}

static void test_every_refused_line_is_named(void **state)
{
    (void)state;
    assert_refused(
        "security.protocol=ssl\nacks=1\n#\nhunter2\nno.such=hunter2\nsocket.timeout.ms="
        "x\n"
        "sasl.jaas.config=hunter2\nsocket.timeout.ms=1",
        (const char *const[]){ "line 2: 'acks' may not be set: ", "line 4: no key=value;",
                               "line 5: 'no.such' is no property of librdkafka",
                               "line 6: 'socket.timeout.ms' is refused: ",
                               "line 7: 'sasl.jaas.config' is refused;",
                               "line 8: 'socket.timeout.ms' is refused: ", NULL });
}

static void test_no_guarded_property_can_be_set(void **state)
{
    (void)state;
    static const char *const names[] = {
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "retries",
        "message.send.max.retries",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "transactional.id",
        "partitioner",
        "message.max.bytes",
        "delivery.report.only.error",
        "enable.gapless.guarantee",
        "allow.auto.create.topics",
        "enable.auto.commit",
        "auto.commit.enable",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "isolation.level",
        "check.crcs",
        "partition.assignment.strategy",
        "group.id",
        "group.instance.id",
        "enable.partition.eof",
        "bootstrap.servers",
        "metadata.broker.list",
        "offset.store.method",
        "enabled_events",
        "log.queue",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[128];
        char told[128];
        snprintf(line, sizeof line, "%s=1", names[i]);
        snprintf(told, sizeof told, "line 1: '%s' may not be set: ", names[i]);
        assert_refused(line, (const char *const[]){ told, NULL });
    }
}

static void test_a_missing_file_is_named(void **state)
{
    (void)state;
    struct kafka_conf_settings settings = { .role = KAFKA_PRODUCER,
                                            .brokers = "b",
                                            .config_file =
                                                "/nonexistent/kafka.properties" };
    rd_kafka_conf_t *conf = NULL;
    struct error err;
    assert_false(kafka_conf_new(&settings, &conf, &err));
    assert_string_equal(err.text,
                        "KAFKA_CONFIG_FILE: cannot read the file "
                        "'/nonexistent/kafka.properties': No such file or directory");
    assert_int_equal(err.class, ERROR_INVALID);
}

static void assert_class(rd_kafka_resp_err_t code, enum error_class expected)
{
    if (kafka_error_class(code) != expected) {
        fail_msg("%s is %s", rd_kafka_err2name(code),
                 error_class_name(kafka_error_class(code)));
    }
}

static void test_the_class_of_an_error_says_what_to_do(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t code;
        enum error_class class;
    } cases[] = {
        { RD_KAFKA_RESP_ERR__TRANSPORT, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__TIMED_OUT, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__RESOLVE, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__AUTHENTICATION, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__SSL, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__PURGE_QUEUE, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, ERROR_RETRY },
        { RD_KAFKA_RESP_ERR_UNKNOWN, ERROR_RETRY },
        { (rd_kafka_resp_err_t)12345, ERROR_RETRY },
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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_class(cases[i].code, cases[i].class);
    }
}

static void test_an_error_has_librdkafkas_name(void **state)
{
    (void)state;
    struct error err;
    assert_false(kafka_error_set(&err, RD_KAFKA_RESP_ERR__QUEUE_FULL, "producing"));
    assert_int_equal(err.class, ERROR_BUSY);
    assert_int_equal(err.origin, ERROR_FROM_KAFKA);
    assert_string_equal(err.code, "_QUEUE_FULL");
    assert_string_equal(err.text, "producing: Local: Queue full");
}

/* librdkafka tells of the refused connection on its own threads. */
static int connect_to_nobody(const void *unused)
{
    (void)unused;
    log_configure(LOG_DEBUG, LOG_LOGFMT);
    struct kafka_conf_settings settings = { .role = KAFKA_PRODUCER,
                                            .brokers = "127.0.0.1:1" };
    rd_kafka_conf_t *conf = NULL;
    struct error err;
    char why[256];
    if (!kafka_conf_new(&settings, &conf, &err)) {
        return 99;
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        return 98;
    }
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, NULL, &metadata, 500);
    rd_kafka_destroy(client);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? 97 : 0;
}

static void test_librdkafkas_lines_go_to_our_log_at_debug_level(void **state)
{
    (void)state;
    struct capture c;
    capture_run(connect_to_nobody, NULL, &c);
    assert_int_equal(c.exit_code, 0);
    assert_non_null(
        strstr(buf_cstr(&c.err), "level=debug event=librdkafka facility=FAIL"));
    assert_int_equal(strncmp(buf_cstr(&c.err), "ts=", 3), 0);
    assert_null(strstr(buf_cstr(&c.err), "\n%"));
    capture_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_producer_keeps_what_it_acknowledges),
        cmocka_unit_test(test_the_consumer_commits_nothing_by_itself),
        cmocka_unit_test(test_the_admin_client_has_the_common_values),
        cmocka_unit_test(test_the_client_id_names_host_and_process_unless_given),
        cmocka_unit_test(test_the_file_brings_security_and_timeouts),
        cmocka_unit_test(test_an_empty_file_name_is_no_file),
        cmocka_unit_test(test_every_refused_line_is_named),
        cmocka_unit_test(test_no_guarded_property_can_be_set),
        cmocka_unit_test(test_a_missing_file_is_named),
        cmocka_unit_test(test_the_class_of_an_error_says_what_to_do),
        cmocka_unit_test(test_an_error_has_librdkafkas_name),
        cmocka_unit_test(test_librdkafkas_lines_go_to_our_log_at_debug_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "ingest/durable/kafka_publisher.h"

#include "ingest/durable/circuit.h"
#include "ingest/durable/kafka_producer.h"
#include "ingest/events/event_record.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/contract/reject_reason.h"
#include "common/service/kafka_conf.h"
#include "common/service/log.h"

#include <librdkafka/rdkafka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define POLL_MS 100
#define POLL_WITH_SOLO_MS 5

struct kafka_publisher {
    struct kafka_publisher_setup setup;
    /* Replaced only by the poll thread, under the write lock; others send under the read
     * lock. */
    pthread_rwlock_t lock;
    struct kafka_producer *producer;
    /* Only the poll thread's; NULL until a record was refused. */
    struct kafka_producer *solo;
    pthread_t thread;
    _Atomic bool is_stopping;
    _Atomic bool is_fatal;
    bool is_solo_fatal; /* only the poll thread's */
    struct circuit circuit;
    _Atomic bool is_away;
    pthread_mutex_t outage_lock;
    struct log_outage outage;
};

/* ---- outages ---- */

static void outage_begins(struct kafka_publisher *p, int code, const char *what)
{
    struct error err;
    kafka_error_set(&err, code, what);
    ingest_metrics_kafka_error(p->setup.metrics, err.code);
    pthread_mutex_lock(&p->outage_lock);
    atomic_store(&p->is_away, true);
    log_outage_begin(&p->outage, "kafka", &err);
    pthread_mutex_unlock(&p->outage_lock);
}

static void outage_ends(struct kafka_publisher *p)
{
    pthread_mutex_lock(&p->outage_lock);
    atomic_store(&p->is_away, false);
    log_outage_end(&p->outage, "kafka");
    pthread_mutex_unlock(&p->outage_lock);
}

/* ---- sending ---- */

/* Charges the record's bytes until its report, and sends it. Takes the headers, also on
 * failure. Returns a librdkafka code. */
static int send_charged(struct kafka_publisher *p, struct kafka_producer *through,
                        const struct kafka_outgoing *record)
{
    uint64_t bytes = kafka_producer_bytes_of(record->key, record->value, record->headers);
    if (!budget_take(p->setup.budget, bytes)) {
        rd_kafka_headers_destroy(record->headers);
        return RD_KAFKA_RESP_ERR__QUEUE_FULL;
    }
    int code = kafka_producer_send(through, record);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        budget_give(p->setup.budget, bytes);
    }
    return code;
}

/* To <prefix>.rejected instead, with the reason behind its own headers, which it takes.
 * What is too large is cut. */
static int send_rejected(struct kafka_publisher *p, struct kafka_outgoing record,
                         int code)
{
    char detail[BODY_EVENT_DETAIL_BYTES];
    bool is_too_large = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    const char *reason =
        reject_reason_text(is_too_large ? REJECT_EVENT_TOO_LARGE : REJECT_INVALID_RECORD);
    snprintf(detail, sizeof detail, "refused by Kafka: %s",
             rd_kafka_err2name((rd_kafka_resp_err_t)code));
    if (is_too_large && record.value.len > REJECT_KEPT_BYTES) {
        event_record_describe_cut("", record.value, detail);
        record.value.len = REJECT_KEPT_BYTES;
    }
    rd_kafka_header_add(record.headers, "reason", -1, reason, -1);
    rd_kafka_header_add(record.headers, "detail", -1, detail, -1);
    record.topic = EVENT_REJECTED;
    return send_charged(p, p->producer, &record);
}

/* The lock is held. */
static int send_record(struct kafka_publisher *p, const struct record *r,
                       struct delivery *delivery)
{
    struct kafka_outgoing record = { r->topic, r->key, r->value,
                                     kafka_producer_headers(r), delivery };
    int code = send_charged(p, p->producer, &record);
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && r->topic != EVENT_REJECTED) {
        /* Above message.max.bytes of the client itself. */
        record.headers = kafka_producer_headers(r);
        code = send_rejected(p, record, code);
    }
    return code;
}

static bool put(void *context, const struct record *r, struct delivery *delivery,
                struct error *err)
{
    struct kafka_publisher *p = context;
    delivery_started(delivery);
    pthread_rwlock_rdlock(&p->lock);
    int code = send_record(p, r, delivery);
    pthread_rwlock_unlock(&p->lock);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return true;
    }
    delivery_ended(delivery, false);
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        atomic_store(&p->is_fatal, true);
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        outage_begins(p, code, "handing a record to Kafka's client");
    }
    kafka_error_set(err, code, "handing a record to Kafka's client");
    err->class = ERROR_BUSY;
    return false;
}

static bool would_admit(void *context)
{
    const struct kafka_publisher *p = context;
    return circuit_would_admit(&p->circuit, clock_mono_ms());
}

static bool admit(void *context, struct error *err)
{
    struct kafka_publisher *p = context;
    if (circuit_admits(&p->circuit, clock_mono_ms())) {
        return true;
    }
    return error_set(err, ERROR_BUSY, ERROR_FROM_KAFKA, NULL,
                     "Kafka does not acknowledge: try again later");
}

/* One late acknowledgement is no outage: those that waited since before its end would
 * each begin a new one. */
static void ack_timed_out(struct kafka_publisher *p)
{
    static const int code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    circuit_timed_out(&p->circuit);
    if (circuit_is_open(&p->circuit)) {
        outage_begins(p, code, "waiting for the acknowledgement");
    } else {
        ingest_metrics_kafka_error(p->setup.metrics, rd_kafka_err2name(code));
    }
}

static void waited(void *context, enum delivery_state state)
{
    struct kafka_publisher *p = context;
    switch (state) {
    case DELIVERY_DURABLE:
        circuit_succeeded(&p->circuit);
        break;
    case DELIVERY_PENDING:
        ack_timed_out(p);
        break;
    case DELIVERY_FAILED:
        break; /* told by its report */
    }
    ingest_metrics_circuit(p->setup.metrics, circuit_is_open(&p->circuit));
}

/* ---- reports: on the poll thread ---- */

static struct kafka_producer_setup producer_setup(struct kafka_publisher *p,
                                                  bool is_solo);

/* The producer for refused records, made when it is first needed; NULL while stopping. */
static struct kafka_producer *solo_of(struct kafka_publisher *p)
{
    struct error err;
    struct kafka_producer_setup setup = producer_setup(p, true);
    if (p->solo == NULL && !atomic_load(&p->is_stopping)) {
        bool is_open = kafka_producer_open(&setup, &p->solo, &err);
        REQUIRE(is_open); /* the same configuration was good before */
    }
    return p->solo;
}

static enum event_type type_of(const struct kafka_publisher *p,
                               const rd_kafka_message_t *message)
{
    enum event_type type = EVENT_REJECTED;
    bool is_ours = topic_name_parse(p->setup.topic_prefix,
                                    view_cstr(rd_kafka_topic_name(message->rkt)), &type);
    REQUIRE(is_ours);
    return type;
}

/* What Kafka refused for good is tried alone, then moved to <prefix>.rejected. True: its
 * delivery goes on with the new record. */
static bool send_again(struct kafka_publisher *p, bool was_solo,
                       const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    struct kafka_outgoing record = { .topic = type_of(p, message),
                                     .key = view_of(message->key, message->key_len),
                                     .value = view_of(message->payload, message->len),
                                     .opaque = message->_private };
    struct kafka_producer *solo = was_solo ? NULL : solo_of(p);
    if ((!was_solo && solo == NULL) || (was_solo && record.topic == EVENT_REJECTED) ||
        rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    record.headers = rd_kafka_headers_copy(headers);
    int code = was_solo ? send_rejected(p, record, (int)message->err)
                        : send_charged(p, solo, &record);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void give_back(struct kafka_publisher *p, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    (void)rd_kafka_message_headers(message, &headers);
    budget_give(p->setup.budget, kafka_producer_bytes_of(
                                     view_of(message->key, message->key_len),
                                     view_of(message->payload, message->len), headers));
}

static void on_report(void *context, bool is_solo,
                      const struct rd_kafka_message_s *message)
{
    struct kafka_publisher *p = context;
    bool is_durable = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    give_back(p, message);
    if (is_durable) {
        ingest_metrics_delivered(p->setup.metrics, rd_kafka_message_latency(message));
        if (atomic_load(&p->is_away)) {
            outage_ends(p);
        }
    } else if (kafka_error_class((int)message->err) == ERROR_INVALID) {
        ingest_metrics_kafka_error(p->setup.metrics, rd_kafka_err2name(message->err));
        if (send_again(p, is_solo, message)) {
            return;
        }
    } else if (!atomic_load(&p->is_stopping)) {
        outage_begins(p, (int)message->err, "delivering a record");
    }
    delivery_ended(message->_private, is_durable);
}

static void on_error(void *context, bool is_solo, int code, const char *reason)
{
    struct kafka_publisher *p = context;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        if (is_solo) {
            p->is_solo_fatal = true;
        } else {
            atomic_store(&p->is_fatal, true);
        }
    }
    if (code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
        code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
        outage_begins(p, code, reason);
    }
}

/* ---- the poll thread ---- */

static struct kafka_producer_setup producer_setup(struct kafka_publisher *p, bool is_solo)
{
    struct kafka_producer_setup setup = { .brokers = p->setup.brokers,
                                          .config_file = p->setup.config_file,
                                          .topic_prefix = p->setup.topic_prefix,
                                          .is_solo = is_solo,
                                          .context = p,
                                          .on_report = on_report,
                                          .on_error = on_error };
    return setup;
}

/* The new one is in place before the old one's records are reported, so nobody waits. */
static void replace_producer(struct kafka_publisher *p)
{
    struct error err;
    struct kafka_producer_setup setup = producer_setup(p, false);
    struct kafka_producer *old = p->producer;
    struct kafka_producer *next = NULL;
    log_warn("kafka_producer_replaced", log_text("reason", "fatal state of the client"));
    bool is_open = kafka_producer_open(&setup, &next, &err);
    REQUIRE(is_open); /* the same configuration was good before */
    pthread_rwlock_wrlock(&p->lock);
    p->producer = next;
    pthread_rwlock_unlock(&p->lock);
    atomic_store(&p->is_fatal, false);
    kafka_producer_close(old);
}

static void poll_solo(struct kafka_publisher *p)
{
    kafka_producer_poll(p->solo, 0);
    if (p->is_solo_fatal) {
        struct kafka_producer *old = p->solo;
        p->solo = NULL;
        p->is_solo_fatal = false;
        kafka_producer_close(old);
    }
}

static void *run(void *context)
{
    struct kafka_publisher *p = context;
    while (!atomic_load(&p->is_stopping)) {
        kafka_producer_poll(p->producer, p->solo == NULL ? POLL_MS : POLL_WITH_SOLO_MS);
        if (p->solo != NULL) {
            poll_solo(p);
        }
        if (atomic_load(&p->is_fatal)) {
            replace_producer(p);
        }
    }
    return NULL;
}

/* ---- life ---- */

static void free_publisher(struct kafka_publisher *p)
{
    pthread_rwlock_destroy(&p->lock);
    pthread_mutex_destroy(&p->outage_lock);
    free(p);
}

bool kafka_publisher_open(const struct kafka_publisher_setup *setup,
                          struct kafka_publisher **out, struct error *err)
{
    struct kafka_publisher *p = mem_calloc(1, sizeof *p);
    p->setup = *setup;
    pthread_rwlock_init(&p->lock, NULL);
    pthread_mutex_init(&p->outage_lock, NULL);
    struct kafka_producer_setup producer = producer_setup(p, false);
    if (!kafka_producer_open(&producer, &p->producer, err)) {
        free_publisher(p);
        return false;
    }
    int failed = pthread_create(&p->thread, NULL, run, p);
    if (failed != 0) {
        kafka_producer_close(p->producer);
        free_publisher(p);
        return error_set_errno(err, ERROR_FATAL, failed,
                               "starting the thread for Kafka's reports");
    }
    *out = p;
    return true;
}

struct durable kafka_publisher_port(struct kafka_publisher *p)
{
    struct durable port = { .context = p,
                            .would_admit = would_admit,
                            .admit = admit,
                            .put = put,
                            .waited = waited };
    return port;
}

unsigned kafka_publisher_queued(struct kafka_publisher *p)
{
    pthread_rwlock_rdlock(&p->lock);
    unsigned queued = kafka_producer_queued(p->producer);
    pthread_rwlock_unlock(&p->lock);
    return queued;
}

bool kafka_publisher_close(struct kafka_publisher *p, int timeout_ms)
{
    if (p == NULL) {
        return true;
    }
    atomic_store(&p->is_stopping, true);
    pthread_join(p->thread, NULL);
    if (!atomic_load(&p->is_away)) {
        if (p->solo != NULL) {
            (void)kafka_producer_flush(p->solo, timeout_ms / 2); /* may move records */
        }
        (void)kafka_producer_flush(p->producer, timeout_ms / 2);
    }
    bool is_empty = kafka_producer_queued(p->producer) == 0 &&
                    (p->solo == NULL || kafka_producer_queued(p->solo) == 0);
    struct kafka_producer *solo = p->solo;
    kafka_producer_close(solo);
    p->solo = NULL;
    kafka_producer_close(p->producer);
    free_publisher(p);
    return is_empty;
}

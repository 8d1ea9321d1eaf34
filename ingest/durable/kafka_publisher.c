#include "ingest/durable/kafka_publisher.h"

#include "ingest/durable/kafka_producer.h"

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
/* How often an outage without traffic is looked after, and a client that could not be
 * made is tried again. */
#define LOOK_EVERY_MS 1000
#define REACH_MS 500
/* What Kafka's client takes beyond an event: its batch's context, integrations and sentAt
 * (32 KiB each), the reason and detail of a rejection. */
#define HEADERS_MAX_BYTES (128u << 10)

struct kafka_publisher {
    struct kafka_publisher_setup setup;
    rd_kafka_conf_t *conf; /* of each client */
    /* Replaced only by the poll thread, under the write lock; others send under the read
     * lock. */
    pthread_rwlock_t lock;
    struct kafka_producer *producer;
    /* Only the poll thread's; NULL until a record was refused. */
    struct kafka_producer *solo;
    pthread_t thread;
    _Atomic bool is_stopping;
    _Atomic bool is_fatal;
    bool is_solo_fatal;        /* only the poll thread's, as the following */
    int64_t looked_at_mono_ms; /* after an outage, or for a client that failed */
    bool was_refused;          /* no client could be made: said once */
    _Atomic bool is_away;
    pthread_mutex_t outage_lock;
    struct log_outage outage;
};

/* ---- outages ---- */

static void note_failure(struct kafka_publisher *p, const char *name)
{
    if (p->setup.on_failure != NULL) {
        p->setup.on_failure(p->setup.context, name);
    }
}

static void outage_begins(struct kafka_publisher *p, int code, const char *what)
{
    struct error err;
    kafka_error_set(&err, code, what);
    note_failure(p, err.code);
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

void kafka_publisher_ack_timed_out(struct kafka_publisher *p, bool is_outage)
{
    static const int code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (is_outage) {
        outage_begins(p, code, "waiting for the acknowledgement");
    } else {
        /* Those that waited since before an outage's end would each begin a new one. */
        note_failure(p, rd_kafka_err2name(code));
    }
}

bool kafka_publisher_is_away(const struct kafka_publisher *p)
{
    return atomic_load(&p->is_away);
}

/* ---- sending ---- */

/* To <prefix>.rejected instead, with the reason behind its own headers, which it takes.
 * What is too large is cut, to what even the topics of a low limit take. */
static int send_rejected(struct kafka_publisher *p, struct kafka_outgoing record,
                         int code)
{
    char detail[REJECT_DETAIL_BYTES];
    bool is_too_large = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    size_t kept = p->setup.max_event_bytes / 4 < REJECT_KEPT_BYTES
                      ? (size_t)p->setup.max_event_bytes / 4
                      : REJECT_KEPT_BYTES;
    const char *reason =
        reject_reason_text(is_too_large ? REJECT_EVENT_TOO_LARGE : REJECT_INVALID_RECORD);
    snprintf(detail, sizeof detail, "refused by Kafka: %s",
             rd_kafka_err2name((rd_kafka_resp_err_t)code));
    if (is_too_large && record.value.len > kept) {
        reject_reason_describe_cut("", record.value, detail);
        record.value.len = kept;
    }
    rd_kafka_header_add(record.headers, "reason", -1, reason, -1);
    rd_kafka_header_add(record.headers, "detail", -1, detail, -1);
    record.topic = EVENT_REJECTED;
    return kafka_producer_send(p->producer, &record);
}

/* The lock is held. */
static bool send_one(struct kafka_publisher *p, struct kafka_outgoing record,
                     const struct record_header *headers, size_t header_count)
{
    record.headers = kafka_producer_headers(headers, header_count);
    int code = kafka_producer_send(p->producer, &record);
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && record.topic != EVENT_REJECTED) {
        /* Above message.max.bytes of the client itself. */
        record.headers = kafka_producer_headers(headers, header_count);
        code = send_rejected(p, record, code);
    }
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        atomic_store(&p->is_fatal, true);
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        outage_begins(p, code, "handing a record to Kafka's client");
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool kafka_publisher_send(struct kafka_publisher *p, const struct record *r,
                          const struct record_header *headers, size_t header_count,
                          struct kafka_ticket *ticket)
{
    struct kafka_outgoing record = {
        .topic = r->topic, .key = r->key, .value = r->value, .ticket = ticket
    };
    pthread_rwlock_rdlock(&p->lock);
    bool is_sent = send_one(p, record, headers, header_count);
    pthread_rwlock_unlock(&p->lock);
    return is_sent;
}

void kafka_publisher_send_all(struct kafka_publisher *p, struct delivery *d)
{
    char scratch[RECORD_FACTS_BYTES];
    struct record_header headers[RECORD_HEADERS_MAX];
    bool has_room = true;
    pthread_rwlock_rdlock(&p->lock);
    for (size_t i = 0; has_room && i < d->count; i++) {
        struct delivery_record *r = &d->records[i];
        struct kafka_outgoing record = { .topic = (enum event_type)r->topic,
                                         .key = r->key,
                                         .value = r->value,
                                         .ticket = &r->ticket };
        size_t count = delivery_headers(d, i, scratch, headers);
        delivery_start(d);
        has_room = send_one(p, record, headers, count);
        if (!has_room) {
            delivery_not_started(d);
        }
    }
    pthread_rwlock_unlock(&p->lock);
}

/* ---- reports: on the poll thread ---- */

/* A client of our configuration. One that cannot be made (certificates that are being
 * replaced) is tried again later; until then what there is goes on. */
static struct kafka_producer *make_producer(struct kafka_publisher *p, bool is_solo);

static struct kafka_producer *solo_of(struct kafka_publisher *p)
{
    if (p->solo == NULL && !atomic_load(&p->is_stopping)) {
        p->solo = make_producer(p, true);
    }
    return p->solo;
}

/* What Kafka refused for good is tried alone, then moved to <prefix>.rejected. True: its
 * ticket goes on with the new record. */
static bool send_again(struct kafka_publisher *p, bool was_solo,
                       const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    struct kafka_outgoing record = { .topic = kafka_producer_topic(message),
                                     .key = view_of(message->key, message->key_len),
                                     .value = view_of(message->payload, message->len),
                                     .ticket = message->_private };
    struct kafka_producer *solo = was_solo ? NULL : solo_of(p);
    if ((!was_solo && solo == NULL) || (was_solo && record.topic == EVENT_REJECTED) ||
        rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    record.headers = rd_kafka_headers_copy(headers);
    int code = was_solo ? send_rejected(p, record, (int)message->err)
                        : kafka_producer_send(solo, &record);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void on_report(void *context, bool is_solo,
                      const struct rd_kafka_message_s *message)
{
    struct kafka_publisher *p = context;
    struct kafka_ticket *ticket = message->_private;
    bool is_durable = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (is_durable) {
        if (atomic_load(&p->is_away)) {
            outage_ends(p);
        }
    } else if (kafka_error_class((int)message->err) == ERROR_INVALID) {
        note_failure(p, rd_kafka_err2name(message->err));
        if (send_again(p, is_solo, message)) {
            return;
        }
    } else if (!atomic_load(&p->is_stopping)) {
        outage_begins(p, (int)message->err, "delivering a record");
    }
    ticket->on_end(ticket, is_durable);
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
    return (struct kafka_producer_setup){ .conf = p->conf,
                                          .config_file = p->setup.config_file,
                                          .topic_prefix = p->setup.topic_prefix,
                                          .is_solo = is_solo,
                                          .context = p,
                                          .on_report = on_report,
                                          .on_error = on_error };
}

static struct kafka_producer *make_producer(struct kafka_publisher *p, bool is_solo)
{
    struct error err;
    struct kafka_producer *made = NULL;
    struct kafka_producer_setup setup = producer_setup(p, is_solo);
    if (kafka_producer_open(&setup, &made, &err)) {
        p->was_refused = false;
        return made;
    }
    if (!p->was_refused) {
        log_failure(LOG_ERROR, "kafka_producer_not_made", &err);
        p->was_refused = true;
    }
    return NULL;
}

/* The new one is in place before the old one's records are reported, so nobody waits. */
static void replace_producer(struct kafka_publisher *p)
{
    struct kafka_producer *old = p->producer;
    struct kafka_producer *next = make_producer(p, false);
    if (next == NULL) {
        return; /* the next look tries again */
    }
    log_warn("kafka_producer_replaced", log_text("reason", "fatal state of the client"));
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
        p->is_solo_fatal = false;
        kafka_producer_close(old); /* its reports still ask for its topics */
        p->solo = NULL;
    }
}

/* Once a second: a fatal client is replaced, and an outage ends also when nobody sends.
 */
static void look_after(struct kafka_publisher *p)
{
    int64_t now = clock_mono_ms();
    bool is_due = now - p->looked_at_mono_ms >= LOOK_EVERY_MS;
    if (!is_due || (!atomic_load(&p->is_fatal) && !atomic_load(&p->is_away))) {
        return;
    }
    p->looked_at_mono_ms = now;
    if (atomic_load(&p->is_fatal)) {
        replace_producer(p);
    } else if (kafka_producer_queued(p->producer) == 0 &&
               kafka_producer_reaches_kafka(p->producer, REACH_MS)) {
        outage_ends(p);
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
        look_after(p);
    }
    return NULL;
}

/* ---- life ---- */

static void free_publisher(struct kafka_publisher *p)
{
    rd_kafka_conf_destroy(p->conf);
    pthread_rwlock_destroy(&p->lock);
    pthread_mutex_destroy(&p->outage_lock);
    free(p);
}

bool kafka_publisher_open(const struct kafka_publisher_setup *setup,
                          struct kafka_publisher **out, struct error *err)
{
    struct kafka_conf_settings settings = { .role = KAFKA_PRODUCER,
                                            .brokers = setup->brokers,
                                            .config_file = setup->config_file,
                                            .message_max_bytes = setup->max_event_bytes +
                                                                 HEADERS_MAX_BYTES };
    rd_kafka_conf_t *conf = NULL;
    if (!kafka_conf_new(&settings, &conf, err)) {
        return false;
    }
    struct kafka_publisher *p = mem_calloc(1, sizeof *p);
    p->setup = *setup;
    p->conf = conf;
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
    kafka_producer_close(p->solo);
    p->solo = NULL;
    kafka_producer_close(p->producer);
    free_publisher(p);
    return is_empty;
}

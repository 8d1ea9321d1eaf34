#include "ingest/commands/serve.h"

#include "ingest/commands/options.h"
#include "ingest/durable/ack_rule.h"
#include "ingest/durable/spool_to_kafka.h"
#include "ingest/request/accept.h"

#include "common/base/clock.h"
#include "common/service/admin.h"
#include "common/service/log.h"
#include "common/service/memory_limit.h"
#include "common/service/shutdown.h"

#include <malloc.h>
#include <stdatomic.h>

#define REFRESH_EVERY_MS 1000    /* how soon a changed registry is noticed */
#define ARENAS 16                /* as many as glibc makes for two cores */
#define KEPT_SHARE 16            /* of the memory, by all arenas together */
#define KEPT_MAX_BYTES (4 << 20) /* an arena's; more gains nothing */
#define DRAIN_LOOK_MS 20
#define FLUSH_SHARE 2 /* half of what is left of the shutdown timeout */

/* What ingest is made of; each part is taken down only if it was built. */
struct ingest {
    const struct ingest_options *options;
    struct ingest_metrics *metrics;
    struct budget budget;
    struct registry *registry;
    struct kafka_publisher *publisher;
    struct spool *spool; /* NULL: none */
    struct ack_rule *ack_rule;
    struct spool_to_kafka to_kafka;
    struct spool_drain *drain;
    struct accept *accept;
    struct http_server *server;
    struct admin *admin;
    _Atomic bool reload_failed;
    _Atomic bool is_stopping;
    _Atomic bool has_spool_failed;
};

static bool is_ready(void *context, const char **out_reason)
{
    struct ingest *in = context;
    *out_reason = "stopping";
    return !atomic_load(&in->is_stopping);
}

static void show_refusal(void *context, const char *source, int64_t seconds)
{
    struct ingest *in = context;
    ingest_metrics_discards_in(in->metrics, source, seconds);
}

static void refresh_metrics(void *context)
{
    struct ingest *in = context;
    struct ingest_state state = { .inflight_requests = http_server_busy(in->server),
                                  .inflight_bytes = budget_used(&in->budget),
                                  .kafka_queue = kafka_publisher_queued(in->publisher),
                                  .is_circuit_open =
                                      circuit_is_open(ack_rule_circuit(in->ack_rule)),
                                  .has_reload_failed = atomic_load(&in->reload_failed) };
    if (in->spool != NULL) {
        spool_figures(in->spool, &state.spool);
    }
    ingest_metrics_state(in->metrics, &state);
    accept_tell_refusals(in->accept, show_refusal, in);
}

/* ---- building ---- */

static void on_kafka_failure(void *context, const char *error_name)
{
    const struct ingest *in = context;
    ingest_metrics_kafka_error(in->metrics, error_name);
}

static void on_delivered(void *context, int64_t took_ms)
{
    const struct ingest *in = context;
    ingest_metrics_delivered(in->metrics, took_ms);
}

static void on_spool_synced(void *context, int64_t duration_us)
{
    const struct ingest *in = context;
    ingest_metrics_spool_synced(in->metrics, duration_us);
}

/* Nothing is acknowledged from now on, and the process ends: the next one recovers what
 * was. */
static void on_spool_failed(void *context, const struct error *err)
{
    struct ingest *in = context;
    atomic_store(&in->has_spool_failed, true);
    log_failure(LOG_ERROR, "spool_failed", err);
    shutdown_request();
}

static bool open_spool(struct ingest *in, struct error *err)
{
    struct spool_setup setup = { .dir = in->options->spool_dir,
                                 .max_bytes = in->options->spool_max_bytes,
                                 .context = in,
                                 .on_failed = on_spool_failed,
                                 .on_synced = on_spool_synced };
    return setup.dir == NULL || spool_open(&setup, &in->spool, err);
}

static bool start_drain(struct ingest *in, struct error *err)
{
    in->to_kafka =
        (struct spool_to_kafka){ in->publisher, ack_rule_circuit(in->ack_rule) };
    struct spool_port port = spool_to_kafka_port(&in->to_kafka);
    return in->spool == NULL ||
           spool_drain_start(spool_log_of(in->spool), &port, &in->drain, err);
}

static bool open_durable(struct ingest *in, struct error *err)
{
    struct kafka_publisher_setup setup = { .brokers = in->options->kafka_brokers,
                                           .config_file = in->options->kafka_config_file,
                                           .topic_prefix = in->options->topic_prefix,
                                           .max_event_bytes =
                                               in->options->max_event_bytes,
                                           .on_failure = on_kafka_failure,
                                           .context = in };
    if (!open_spool(in, err) || !kafka_publisher_open(&setup, &in->publisher, err)) {
        return false;
    }
    struct ack_rule_setup rule = { .publisher = in->publisher,
                                   .spool = in->spool,
                                   .ack_timeout_ms = in->options->kafka_ack_timeout_ms,
                                   .on_delivered = on_delivered,
                                   .context = in };
    in->ack_rule = ack_rule_new(&rule);
    return start_drain(in, err);
}

static bool start_server(struct ingest *in, struct error *err)
{
    struct accept_setup accept = {
        .trusted_proxies = in->options->trusted_proxies,
        .public_url = in->options->public_url,
        .request_deadline_ms = in->options->request_deadline_ms,
        .body_timeout_ms = in->options->body_timeout_ms,
        .max_body_bytes = in->options->max_body_bytes,
        .max_event_bytes = in->options->max_event_bytes,
        .registry = in->registry,
        .durable = ack_rule_port(in->ack_rule),
        .budget = &in->budget,
        .metrics = in->metrics,
    };
    in->accept = accept_new(&accept);
    struct http_server_setup setup = { .listen = in->options->listen,
                                       .threads = ingest_options_threads(in->options),
                                       .read_timeout_ms = in->options->body_timeout_ms,
                                       .keep_alive_ms = in->options->keep_alive_ms,
                                       .handle = accept_handle,
                                       .context = in->accept,
                                       .new_worker = accept_new_worker,
                                       .free_worker = accept_free_worker };
    return http_server_start(&setup, &in->server, err);
}

static bool start_admin(struct ingest *in, struct error *err)
{
    struct admin_setup setup = { .listen = in->options->admin_listen,
                                 .metrics = ingest_metrics_registry(in->metrics),
                                 .is_ready = is_ready,
                                 .ready_context = in };
    return admin_start(&setup, &in->admin, err);
}

static bool build(struct ingest *in, struct error *err)
{
    in->metrics = ingest_metrics_new();
    budget_init(&in->budget, ingest_options_inflight(in->options));
    if (!registry_open(in->options->sources_file, &in->registry, err)) {
        return false;
    }
    if (!open_durable(in, err) || !start_server(in, err)) {
        return false;
    }
    metrics_on_scrape(ingest_metrics_registry(in->metrics), refresh_metrics, in);
    return start_admin(in, err);
}

/* ---- running ---- */

static void refresh_registry(struct ingest *in)
{
    struct error err;
    bool has_changed = false;
    if (registry_refresh(in->registry, &has_changed, &err)) {
        atomic_store(&in->reload_failed, false);
        if (has_changed) {
            log_info("sources_reloaded", log_text("file", in->options->sources_file));
        }
    } else if (!atomic_exchange(&in->reload_failed, true)) {
        log_failure(LOG_ERROR, "sources_not_reloaded", &err);
    }
}

static void serve(struct ingest *in)
{
    while (!shutdown_wait(REFRESH_EVERY_MS)) {
        refresh_registry(in);
    }
}

/* ---- stopping ---- */

static void pause_a_little(void)
{
    const struct timespec pause = { 0, DRAIN_LOOK_MS * 1000000L };
    nanosleep(&pause, NULL);
}

/* Not ready; go on serving while endpoints are updated; then each answer closes its
 * connection, until no request is left. True when none is. */
static bool drain(struct ingest *in, int64_t deadline)
{
    int64_t serve_until = clock_mono_ms() + (int64_t)in->options->drain_delay_ms;
    atomic_store(&in->is_stopping, true);
    log_info("draining", log_uint("delay_ms", in->options->drain_delay_ms));
    while (clock_mono_ms() < serve_until && clock_mono_ms() < deadline) {
        pause_a_little();
    }
    http_server_drain(in->server);
    while (http_server_busy(in->server) > 0 && clock_mono_ms() < deadline) {
        pause_a_little();
    }
    return http_server_busy(in->server) == 0;
}

/* Is something left that the next process has to deliver? What Kafka's client still had
 * of requests that were answered 200 is in the spool. */
static bool has_left(const struct ingest *in, bool is_publisher_empty)
{
    struct spool_figures figures = { .records = 0 };
    if (in->spool == NULL) {
        return !is_publisher_empty;
    }
    spool_figures(in->spool, &figures);
    return figures.records > 0;
}

/* In reverse order of building. Closing the publisher ends what is under way: of requests
 * that still wait the rest then goes to the spool, so that one is closed behind it. True
 * when nothing was left to deliver. */
static bool take_down(struct ingest *in, int64_t deadline)
{
    admin_stop(in->admin); /* it reads what follows */
    http_server_stop(in->server);
    int64_t left = deadline - clock_mono_ms();
    spool_drain_stop(in->drain);
    bool is_empty =
        kafka_publisher_close(in->publisher, left > 0 ? (int)(left / FLUSH_SHARE) : 0);
    is_empty = !has_left(in, is_empty);
    spool_drain_free(in->drain);
    spool_close(in->spool);
    ack_rule_free(in->ack_rule);
    accept_free(in->accept);
    registry_close(in->registry);
    ingest_metrics_free(in->metrics);
    return is_empty;
}

/* Small pieces freed by one thread and asked for by others: glibc's lists of them are
 * merged at each of our larger ones (a body), which costs more than they save: 4 to 7 %
 * of a single event's CPU. */
static void set_up_allocator(void)
{
    (void)mallopt(M_MXFAST, 0);
    /* What is freed at an arena's end is kept up to this size, and what is larger has a
     * mapping of its own, which goes with it. Memory that the kernel must map anew page
     * by page, for each body and each of librdkafka's requests, is a third of a batch's
     * CPU. Left to itself glibc raises the limit to 32 MiB after the first large body and
     * keeps as much in each of its arenas, of which a large machine has hundreds: a
     * container of 256 MiB was ended within a second. */
    uint64_t kept = memory_limit_bytes() / KEPT_SHARE / ARENAS;
    int kept_bytes = kept < KEPT_MAX_BYTES ? (int)kept : KEPT_MAX_BYTES;
    (void)mallopt(M_ARENA_MAX, ARENAS);
    (void)mallopt(M_MMAP_THRESHOLD, kept_bytes);
    (void)mallopt(M_TRIM_THRESHOLD, kept_bytes);
}

int command_serve(const struct command_call *call)
{
    struct ingest in = { .options = call->config };
    struct error err;
    set_up_allocator();
    log_configure((enum log_level)in.options->log_level,
                  (enum log_format)in.options->log_format);
    options_log(&call->program->options, call->config);
    if (!shutdown_start(&err) || !build(&in, &err)) {
        log_failure(LOG_ERROR, "ingest_not_started", &err);
        take_down(&in, 0);
        return err.class == ERROR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    log_info("ingest_started", log_text("version", BACKSTITCH_VERSION),
             log_text("listen", in.options->listen),
             log_text("admin", in.options->admin_listen),
             log_uint("threads", ingest_options_threads(in.options)),
             log_uint("inflight_bytes", ingest_options_inflight(in.options)));
    serve(&in);
    int64_t deadline = clock_mono_ms() + (int64_t)in.options->shutdown_timeout_ms;
    bool is_drained = drain(&in, deadline);
    bool is_empty = take_down(&in, deadline);
    int code = atomic_load(&in.has_spool_failed) ? EXIT_FAILED
               : is_drained && is_empty          ? EXIT_DONE
                                                 : EXIT_WORK_LEFT;
    log_info("ingest_stopped", log_int("exit_code", code));
    return code;
}

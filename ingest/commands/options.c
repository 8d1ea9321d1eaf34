#include "ingest/commands/options.h"

#include "ingest/request/proxies.h"

#include "common/contract/event_type.h"
#include "common/service/memory_limit.h"
#include "common/service/process_options.h"

#include <stddef.h>
#include <string.h>

/* A connection costs a thread. Beyond 384 nothing was gained (trial of 330 and 512
 * threads at 256 connections); each costs about 50 KB at rest, and keeps at most
 * WORKER_KEPT_BYTES. An eighth of the memory is theirs, a quarter what is under way. */
#define MAX_THREADS 384
#define MIN_THREADS 32
#define BYTES_PER_THREAD (256u << 10)
#define THREADS_SHARE 8
#define INFLIGHT_SHARE 4
#define MAX_INFLIGHT_BYTES (256ULL << 20)

#define AT(member) offsetof(struct ingest_options, member)

static const struct option options[] = {
    PROCESS_OPTIONS,
    { .env = "INGEST_LISTEN",
      .type = OPTION_LISTEN,
      .offset = AT(listen),
      .fallback = "0.0.0.0:8080",
      .is_list = true,
      .value_name = "ADDRESS:PORT,..",
      .help = "addresses that receive events" },
    { .env = "INGEST_ADMIN_LISTEN",
      .type = OPTION_LISTEN,
      .offset = AT(admin_listen),
      .fallback = "127.0.0.1:8081",
      .help = "address of /healthz, /readyz and /metrics" },
    { .env = "INGEST_SOURCES_FILE",
      .type = OPTION_TEXT,
      .offset = AT(sources_file),
      .fallback = "sources.json",
      .is_required = true,
      .value_name = "FILE",
      .help = "the source registry; changes are noticed while running" },
    { .env = "INGEST_PUBLIC_URL",
      .type = OPTION_TEXT,
      .offset = AT(public_url),
      .value_name = "URL",
      .help = "the URL that senders use; what clients are told by the settings route" },
    { .env = "INGEST_TRUSTED_PROXIES",
      .type = OPTION_TEXT,
      .offset = AT(trusted_proxies),
      .value_name = "CIDR,..",
      .help = "proxies whose X-Forwarded-For is believed" },
    { .env = "INGEST_SPOOL_DIR",
      .type = OPTION_TEXT,
      .offset = AT(spool_dir),
      .value_name = "DIR",
      .help = "folder that keeps events while Kafka is away; unset: no spool, 503" },
    { .env = "INGEST_SPOOL_MAX_BYTES",
      .type = OPTION_SIZE,
      .offset = AT(spool_max_bytes),
      .fallback = "1GiB",
      .min = 4u << 20,
      .max = 1ULL << 44,
      .help = "what the spool's folder may take on disk; above it 503" },
    { .env = "INGEST_KAFKA_ACK_TIMEOUT",
      .type = OPTION_DURATION,
      .offset = AT(kafka_ack_timeout_ms),
      .fallback = "1500ms",
      .min = 1,
      .max = 60000,
      .help = "how long a request waits for Kafka's acknowledgement" },
    { .env = "INGEST_REQUEST_DEADLINE",
      .type = OPTION_DURATION,
      .offset = AT(request_deadline_ms),
      .fallback = "4s",
      .min = 1,
      .max = 60000,
      .help = "longest time from a request's last byte to its answer" },
    { .env = "INGEST_BODY_TIMEOUT",
      .type = OPTION_DURATION,
      .offset = AT(body_timeout_ms),
      .fallback = "10s",
      .min = 100,
      .max = 600000,
      .help = "longest time a request's body may take to come" },
    { .env = "INGEST_MAX_BODY_BYTES",
      .type = OPTION_SIZE,
      .offset = AT(max_body_bytes),
      .fallback = "20MiB",
      .min = 1024,
      .max = 1ULL << 30,
      .help = "largest body, when its sender is known (else 1MiB)" },
    { .env = "INGEST_MAX_EVENT_BYTES",
      .type = OPTION_SIZE,
      .offset = AT(max_event_bytes),
      .fallback = "1MiB",
      .min = 256u << 10, /* what is kept of a rejected event must fit, with its headers */
      .max = 1ULL << 24,
      .help = "largest event with its headers; the topics must take it" },
    { .env = "INGEST_THREADS",
      .type = OPTION_COUNT,
      .offset = AT(threads),
      .max = 10000,
      .help = "connections served at a time; unset: derived from the memory that the "
              "process may use, at most 384" },
    { .env = "INGEST_MAX_INFLIGHT_BYTES",
      .type = OPTION_SIZE,
      .offset = AT(max_inflight_bytes),
      .min = 1u << 20,
      .max = 1ULL << 40,
      .help = "bodies and records under way, above it requests get 503; unset: a quarter "
              "of the memory that the process may use, at most 256MiB" },
    { .env = "INGEST_KEEP_ALIVE",
      .type = OPTION_DURATION,
      .offset = AT(keep_alive_ms),
      .fallback = "75s",
      .min = 1000,
      .max = 3600000,
      .help = "how long an idle connection is kept: longer than the proxy in front keeps "
              "it; under pressure idle ones go first" },
    { .env = "INGEST_DRAIN_DELAY",
      .type = OPTION_DURATION,
      .offset = AT(drain_delay_ms),
      .fallback = "0s",
      .max = 600000,
      .help = "how long to go on serving after the signal to stop" },
    { .env = "INGEST_SHUTDOWN_TIMEOUT",
      .type = OPTION_DURATION,
      .offset = AT(shutdown_timeout_ms),
      .fallback = "25s",
      .min = 1000,
      .max = 600000,
      .help = "longest time from the signal to stop to the end" },
};

const struct option_table ingest_option_table = {
    .env_prefix = "INGEST_",
    .options = options,
    .count = sizeof options / sizeof options[0],
};

/* It is put before paths, and clients take it apart: "https://host[:port][/path]". */
static bool is_base_url(const char *url)
{
    const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
                       : strncmp(url, "http://", 7) == 0 ? url + 7
                                                         : "";
    return host[0] != '\0' && host[0] != '/' && strpbrk(host, " \t\"\\?#@<>") == NULL;
}

void ingest_options_check(const void *config, struct buf *mistakes)
{
    const struct ingest_options *o = config;
    struct proxies proxies;
    struct error err;
    if (!topic_prefix_is_valid(o->topic_prefix)) {
        buf_printf(mistakes,
                   "KAFKA_TOPIC_PREFIX: '%s' is no part of a topic's name: use 1 to 200 "
                   "letters, "
                   "digits, '.', '_' or '-', for example segment\n",
                   o->topic_prefix);
    }
    if (o->public_url != NULL && !is_base_url(o->public_url)) {
        buf_printf(
            mistakes,
            "INGEST_PUBLIC_URL: '%s' is no address of ours: use scheme, host and, "
            "where needed, port and path, for example https://events.example.org\n",
            o->public_url);
    }
    if (!proxies_parse(o->trusted_proxies, &proxies, &err)) {
        buf_printf(mistakes, "INGEST_TRUSTED_PROXIES: %s\n", err.text);
    }
}

unsigned ingest_options_threads(const struct ingest_options *o)
{
    if (o->threads > 0) {
        return (unsigned)o->threads;
    }
    uint64_t threads = memory_limit_bytes() / THREADS_SHARE / BYTES_PER_THREAD;
    return threads > MAX_THREADS   ? MAX_THREADS
           : threads < MIN_THREADS ? MIN_THREADS
                                   : (unsigned)threads;
}

uint64_t ingest_options_inflight(const struct ingest_options *o)
{
    uint64_t derived = memory_limit_bytes() / INFLIGHT_SHARE;
    return o->max_inflight_bytes > 0      ? o->max_inflight_bytes
           : derived < MAX_INFLIGHT_BYTES ? derived
                                          : MAX_INFLIGHT_BYTES;
}

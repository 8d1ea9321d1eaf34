#include "ingest/commands/topics.h"

#include "ingest/commands/options.h"
#include "ingest/commands/topic_facts.h"

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/service/log.h"
#include "common/service/shutdown.h"

#include <json-c/json.h>

#include <inttypes.h>
#include <stdio.h>

#define READ_TIMEOUT_MS 2000
#define PAUSE_MS 200 /* between two looks at a Kafka that is not there yet */

#define AT(member) offsetof(struct topics_flags, member)

static const struct option topics_options[] = {
    { .env = "partitions",
      .type = OPTION_COUNT,
      .offset = AT(partitions),
      .fallback = "12",
      .min = 1,
      .max = 10000,
      .help = "partitions of each topic: most loaders that can share the work" },
    { .env = "replication",
      .type = OPTION_COUNT,
      .offset = AT(replication),
      .min = 1,
      .max = 100,
      .help = "replicas of each partition; default: 3" },
    { .env = "min-insync",
      .type = OPTION_COUNT,
      .offset = AT(min_insync),
      .min = 1,
      .max = 100,
      .help = "replicas that must have an event before it is acknowledged; default: 2" },
    { .env = "retention",
      .type = OPTION_DURATION,
      .offset = AT(retention_ms),
      .fallback = "14d",
      .min = 60000,
      .help = "how long new topics keep events" },
    { .env = "max-message-bytes",
      .type = OPTION_SIZE,
      .offset = AT(max_message_bytes),
      .min = 1024,
      .max = 1ULL << 30,
      .help = "largest record; default: 1.1 times INGEST_MAX_EVENT_BYTES" },
    { .env = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(timeout_ms),
      .fallback = "30s",
      .max = 3600000,
      .help = "how long to wait for Kafka" },
    { .env = "dev",
      .type = OPTION_SWITCH,
      .offset = AT(dev),
      .help = "one broker: replication 1, min-insync 1; for development only" },
};

const struct option_table topics_option_table = {
    .options = topics_options,
    .count = sizeof topics_options / sizeof topics_options[0],
};

/* The command while it runs. */
struct work {
    const struct command_call *call;
    const struct ingest_options *options;
    struct topic_settings settings;
    struct topic_admin *admin;
    int64_t deadline; /* monotonic ms */
    bool has_said_waiting;
    bool is_created[EVENT_TYPES];
    struct kafka_facts facts;
};

static int fail(const struct work *w, int code, const char *text)
{
    fprintf(stderr, "%s topics: %s\n", w->call->program->name, text);
    return code;
}

static struct topic_settings wanted_settings(const struct topics_flags *flags,
                                             const struct ingest_options *options)
{
    uint64_t replication = flags->dev ? 1 : TOPIC_REPLICATION;
    uint64_t min_insync = flags->dev ? 1 : TOPIC_MIN_INSYNC;
    return (struct topic_settings){
        .partitions = flags->partitions,
        .replication = flags->replication > 0 ? flags->replication : replication,
        .min_insync = flags->min_insync > 0 ? flags->min_insync : min_insync,
        .retention_ms = flags->retention_ms,
        .max_message_bytes = flags->max_message_bytes > 0
                                 ? flags->max_message_bytes
                                 : topic_message_bytes(options->max_event_bytes),
    };
}

/* ---- making them ---- */

/* After a failure: true when there is time to try again, having waited a little. */
static bool may_retry(struct work *w, const struct error *err)
{
    if (err->class != ERROR_RETRY || clock_mono_ms() >= w->deadline) {
        return false;
    }
    if (!w->has_said_waiting) {
        w->has_said_waiting = true;
        fprintf(stderr, "%s topics: waiting for Kafka (KAFKA_BROKERS=%s): %s\n",
                w->call->program->name, w->options->kafka_brokers, err->text);
    }
    return !shutdown_wait(PAUSE_MS);
}

/* Creates what is missing and was not created yet. */
static bool create_missing(struct work *w, struct error *err)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        const struct topic_facts *t = &w->facts.topics[i];
        if (!t->exists && !w->is_created[i] &&
            !topic_admin_create(w->admin, t->name, &w->settings, &w->is_created[i],
                                err)) {
            return false;
        }
    }
    return true;
}

static bool all_exist(const struct kafka_facts *facts)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        if (!facts->topics[i].exists) {
            return false;
        }
    }
    return true;
}

/* One look at Kafka, and what follows from it. RETRY also while a new topic cannot be
 * seen yet. */
static bool step(struct work *w, struct error *err)
{
    int64_t left = w->deadline - clock_mono_ms();
    int timeout = left < 1 ? 1 : left > READ_TIMEOUT_MS ? READ_TIMEOUT_MS : (int)left;
    if (!topic_admin_read(w->admin, w->options->topic_prefix, timeout, &w->facts, err)) {
        return false;
    }
    if (all_exist(&w->facts)) {
        return true;
    }
    if (!create_missing(w, err) || !topic_admin_read(w->admin, w->options->topic_prefix,
                                                     READ_TIMEOUT_MS, &w->facts, err)) {
        return false;
    }
    return all_exist(&w->facts) || error_set(err, ERROR_RETRY, ERROR_FROM_KAFKA, NULL,
                                             "the new topics cannot be seen yet");
}

/* Until all topics are there; then w->facts has them. */
static bool make_topics(struct work *w, struct error *err)
{
    bool is_done = step(w, err);
    while (!is_done && may_retry(w, err)) {
        is_done = step(w, err);
    }
    return is_done;
}

/* ---- telling ---- */

static json_object *differences_json(struct view lines)
{
    json_object *list = json_object_new_array();
    while (lines.len > 0) {
        size_t len =
            (size_t)((const char *)memchr(lines.data, '\n', lines.len) - lines.data);
        json_object_array_add(list, json_object_new_string_len(lines.data, (int)len));
        lines = view_skip(lines, len + 1);
    }
    return list;
}

static json_object *topic_json(const struct topic_facts *t, const char *state,
                               struct view differences)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "name", json_object_new_string(t->name));
    json_object_object_add(o, "partitions", json_object_new_int(t->partitions));
    json_object_object_add(o, "replication", json_object_new_int(t->replication));
    json_object_object_add(o, "state", json_object_new_string(state));
    json_object_object_add(o, "differences", differences_json(differences));
    return o;
}

/* Tells of topic `i`; true when it is as it should be. */
static bool tell_topic(const struct work *w, int i, json_object *list)
{
    const struct topic_facts *t = &w->facts.topics[i];
    struct buf differences = { 0 };
    topic_facts_compare(t, &w->settings, &differences);
    bool is_good = differences.len == 0;
    const char *state = !is_good ? "differs" : w->is_created[i] ? "created" : "present";
    json_object_array_add(list, topic_json(t, state, buf_view(&differences)));
    if (!w->call->json) {
        printf("%-8s %s: %d partitions, replication %d\n", state, t->name, t->partitions,
               t->replication);
    }
    if (!is_good) {
        fprintf(stderr, "%s differs:\n%s", t->name, buf_cstr(&differences));
    }
    buf_release(&differences);
    return is_good;
}

static int tell(const struct work *w)
{
    bool all_good = true;
    json_object *list = json_object_new_array();
    for (int i = 0; i < EVENT_TYPES; i++) {
        all_good = tell_topic(w, i, list) && all_good;
    }
    json_object *root = json_object_new_object();
    json_object_object_add(root, "topics", list);
    if (w->call->json) {
        printf("%s\n",
               json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    json_object_put(root);
    bool is_printed = fflush(stdout) == 0;
    return all_good && is_printed ? EXIT_DONE : EXIT_FAILED;
}

static int run(struct work *w)
{
    struct error err;
    if (!topic_admin_open(w->options->kafka_brokers, w->options->kafka_config_file,
                          &w->admin, &err)) {
        return fail(w, EXIT_USAGE, err.text);
    }
    int code = EXIT_FAILED;
    if (make_topics(w, &err)) {
        code = tell(w);
    } else {
        struct buf text = { 0 };
        buf_printf(&text, "KAFKA_BROKERS=%s: %s", w->options->kafka_brokers, err.text);
        if (w->settings.replication > 1 && w->facts.brokers > 0 &&
            (uint64_t)w->facts.brokers < w->settings.replication) {
            buf_printf(&text,
                       "; it has %d broker(s) and %" PRIu64
                       " replicas were asked for: add brokers, or use --dev for "
                       "development",
                       w->facts.brokers, w->settings.replication);
        }
        fail(w, code, buf_cstr(&text));
        buf_release(&text);
    }
    topic_admin_close(w->admin);
    return code;
}

int command_topics(const struct command_call *call)
{
    const struct topics_flags *flags = call->flags;
    const struct ingest_options *config = call->config;
    struct work w = { .call = call,
                      .options = config,
                      .settings = wanted_settings(flags, config),
                      .deadline = clock_mono_ms() + (int64_t)flags->timeout_ms };
    struct error err;
    log_configure((enum log_level)config->log_level, (enum log_format)config->log_format);
    if (w.settings.min_insync > w.settings.replication) {
        return fail(&w, EXIT_USAGE,
                    "--min-insync is above --replication: nothing could be written");
    }
    if (!shutdown_start(&err)) { /* so that waiting can be interrupted */
        return fail(&w, EXIT_FAILED, err.text);
    }
    return run(&w);
}

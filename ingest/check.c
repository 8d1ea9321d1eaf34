#include "ingest/check.h"

#include "ingest/options.h"
#include "ingest/registry/source_file.h"
#include "ingest/topic_facts.h"

#include "common/service/log.h"

#include <json-c/json.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KAFKA_TIMEOUT_MS 10000
#define MESSAGE_BYTES 2048 /* a topic's differences, each with its command */

struct findings {
    json_object *list;
    bool all_ok;
    bool json;
};

static void PRINTF_LIKE(4, 5)
    find(struct findings *f, const char *what, bool ok, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    f->all_ok = f->all_ok && ok;
    if (!f->json) {
        printf("%-8s %-14s %s\n", ok ? "ok" : "problem", what, message);
    }
    json_object *o = json_object_new_object();
    json_object_object_add(o, "what", json_object_new_string(what));
    json_object_object_add(o, "ok", json_object_new_boolean(ok));
    json_object_object_add(o, "message", json_object_new_string(message));
    json_object_array_add(f->list, o);
}

/* ---- registry ---- */

static void check_registry(const struct ingest_options *o, struct findings *f)
{
    struct source_list list = { 0 };
    struct error err;
    if (!source_file_exists(o->sources_file)) {
        find(f, "sources", false,
             "INGEST_SOURCES_FILE: there is no file '%s': make it with "
             "'backstitch-ingest source add NAME'",
             o->sources_file);
    } else if (!source_file_read(o->sources_file, &list, &err)) {
        find(f, "sources", false,
             "INGEST_SOURCES_FILE: %s: correct the file, or restore it", err.text);
    } else {
        find(f, "sources", true, "%zu in '%s'%s%s", list.count, o->sources_file,
             list.count == 0 ? "; add one with 'backstitch-ingest source add NAME'" : "",
             source_file_is_world_readable(o->sources_file)
                 ? "; every user can read it, and it holds secrets: chmod 600"
                 : "");
    }
    source_list_release(&list);
}

/* ---- Kafka ---- */

static void check_topic(const struct topic_facts *t, const struct topic_settings *wanted,
                        struct findings *f)
{
    if (!t->exists) {
        find(f, "topic", false, "%s is missing: run 'backstitch-ingest topics'", t->name);
        return;
    }
    struct buf differences = { 0 };
    topic_facts_compare(t, wanted, &differences);
    if (differences.len == 0) {
        find(f, "topic", true, "%s: %d partitions, replication %d", t->name,
             t->partitions, t->replication);
    } else {
        differences.len--; /* the last newline */
        char *text = differences.data;
        for (size_t i = 0; i < differences.len; i++) {
            text[i] = text[i] == '\n' ? ';' : text[i];
        }
        find(f, "topic", false, "%s: %s", t->name, buf_cstr(&differences));
    }
    buf_release(&differences);
}

/* What keeps the promises on this cluster. How many partitions there are is the
 * operator's choice; one broker cannot replicate and is told so once, above. */
static struct topic_settings wanted_of(const struct ingest_options *o, int brokers)
{
    bool is_single = brokers == 1;
    return (struct topic_settings){
        .partitions = 1,
        .replication = is_single ? 1 : TOPIC_REPLICATION,
        .min_insync = is_single ? 1 : TOPIC_MIN_INSYNC,
        .max_message_bytes = topic_message_bytes(o->max_event_bytes),
    };
}

static void check_topics(const struct ingest_options *o, const struct kafka_facts *facts,
                         struct findings *f)
{
    find(f, "kafka", true, "reached at %s%s", o->kafka_brokers,
         facts->brokers == 1
             ? ": a single broker keeps one copy of each event: for development only"
             : "");
    struct topic_settings wanted = wanted_of(o, facts->brokers);
    for (int i = 0; i < EVENT_TYPES; i++) {
        check_topic(&facts->topics[i], &wanted, f);
    }
}

static void check_kafka(const struct ingest_options *o, struct findings *f)
{
    struct topic_admin *admin = NULL;
    struct kafka_facts facts;
    struct error err;
    if (!topic_admin_open(o->kafka_brokers, o->kafka_config_file, &admin, &err)) {
        find(f, "configuration", false, "%s", err.text);
        return;
    }
    find(f, "configuration", true, "valid");
    if (topic_admin_read(admin, o->topic_prefix, KAFKA_TIMEOUT_MS, &facts, &err)) {
        check_topics(o, &facts, f);
    } else {
        find(f, "kafka", false, "%s (KAFKA_BROKERS=%s)", err.text, o->kafka_brokers);
    }
    topic_admin_close(admin);
}

int command_check(const struct command_call *call)
{
    const struct ingest_options *o = call->config;
    struct findings f = { json_object_new_array(), true, call->json };
    log_configure((enum log_level)o->log_level, (enum log_format)o->log_format);
    check_registry(o, &f);
    check_kafka(o, &f);
    json_object *root = json_object_new_object();
    json_object_object_add(root, "ok", json_object_new_boolean(f.all_ok));
    json_object_object_add(root, "findings", f.list);
    if (call->json) {
        printf("%s\n",
               json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    json_object_put(root);
    bool is_printed = fflush(stdout) == 0;
    return f.all_ok && is_printed ? EXIT_DONE : EXIT_FAILED;
}

#include "ingest/commands/check.h"

#include "ingest/commands/options.h"
#include "ingest/commands/topic_facts.h"
#include "ingest/registry/source_file.h"

#include "common/service/findings.h"
#include "common/service/log.h"

#include <stdio.h>
#include <string.h>

#define KAFKA_TIMEOUT_MS 10000

/* ---- registry ---- */

static void check_registry(const struct ingest_options *o, struct findings *f)
{
    struct source_list list = { 0 };
    struct error err;
    if (!source_file_exists(o->sources_file)) {
        findings_add(f, "sources", false,
                     "INGEST_SOURCES_FILE: there is no file '%s': make it with "
                     "'backstitch-ingest source add NAME'",
                     o->sources_file);
    } else if (!source_file_read(o->sources_file, &list, &err)) {
        findings_add(f, "sources", false,
                     "INGEST_SOURCES_FILE: %s: correct the file, or restore it",
                     err.text);
    } else {
        findings_add(
            f, "sources", true, "%zu in '%s'%s%s", list.count, o->sources_file,
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
        findings_add(f, "topic", false, "%s is missing: run 'backstitch-ingest topics'",
                     t->name);
        return;
    }
    struct buf differences = { 0 };
    topic_facts_compare(t, wanted, &differences);
    if (differences.len == 0) {
        findings_add(f, "topic", true, "%s: %d partitions, replication %d", t->name,
                     t->partitions, t->replication);
    } else {
        differences.len--; /* the last newline */
        char *text = differences.data;
        for (size_t i = 0; i < differences.len; i++) {
            if (text[i] == '\n') {
                text[i] = ';';
            }
        }
        findings_add(f, "topic", false, "%s: %s", t->name, buf_cstr(&differences));
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
    findings_add(
        f, "kafka", true, "reached at %s%s", o->kafka_brokers,
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
        findings_add(f, "configuration", false, "%s", err.text);
        return;
    }
    findings_add(f, "configuration", true, "valid");
    if (topic_admin_read(admin, o->topic_prefix, KAFKA_TIMEOUT_MS, &facts, &err)) {
        check_topics(o, &facts, f);
    } else {
        findings_add(f, "kafka", false, "%s (KAFKA_BROKERS=%s)", err.text,
                     o->kafka_brokers);
    }
    topic_admin_close(admin);
}

int command_check(const struct command_call *call)
{
    const struct ingest_options *o = call->config;
    struct findings f;
    log_configure((enum log_level)o->log_level, (enum log_format)o->log_format);
    findings_begin(&f, call->json);
    check_registry(o, &f);
    check_kafka(o, &f);
    return findings_end(&f);
}

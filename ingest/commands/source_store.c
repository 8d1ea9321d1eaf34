#include "ingest/commands/source_store.h"

#include "ingest/registry/source_file.h"
#include "ingest/registry/source_json.h"

#include "common/base/escape.h"

#include <stdio.h>

void source_store_tell(const struct command_call *call, const char *text)
{
    struct buf line = { 0 };
    buf_printf(&line, "%s: ", call->program->name);
    escape_add_text(&line, view_cstr(text), ERROR_TEXT_BYTES);
    fprintf(stderr, "%s\n", buf_cstr(&line));
    buf_release(&line);
}

int source_store_fail(const struct command_call *call, int code, const struct error *err)
{
    source_store_tell(call, err->text);
    return code;
}

int source_store_print(struct buf *text)
{
    bool is_printed = fputs(buf_cstr(text), stdout) >= 0;
    is_printed = fflush(stdout) == 0 && is_printed;
    buf_release(text);
    return is_printed ? EXIT_DONE : EXIT_FAILED;
}

const char *source_store_path(const struct command_call *call)
{
    return ((const struct ingest_options *)call->config)->sources_file;
}

bool source_store_read(const struct command_call *call, struct source_list *out,
                       struct error *err)
{
    const char *path = source_store_path(call);
    if (!source_file_exists(path)) {
        return true;
    }
    if (source_file_is_world_readable(path)) {
        struct buf warning = { 0 };
        buf_printf(&warning,
                   "warning: every user can read '%s', which holds secrets: chmod 600 it",
                   path);
        source_store_tell(call, buf_cstr(&warning));
        buf_release(&warning);
    }
    return source_file_read(path, out, err);
}

bool source_store_find(const struct command_call *call, const struct source_list *list,
                       const struct source **out, struct error *err)
{
    *out = source_list_find(list, view_cstr(call->args[0]));
    return *out != NULL ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "there is no source '%s' in '%s'; 'source list' shows those there "
                     "are",
                     call->args[0], source_store_path(call));
}

/* The registry as pods mount it (deploy/kubernetes). The text is indented, as YAML's
 * literal blocks want it; our JSON has no line that begins with a blank but its own
 * indentation, and escapes every line end inside a text. */
static void add_kubernetes_secret(const struct source_list *list, struct buf *out)
{
    struct buf json = { 0 };
    source_json_write(list, &json);
    buf_add_cstr(out, "apiVersion: v1\n"
                      "kind: Secret\n"
                      "metadata:\n"
                      "  name: backstitch-sources\n"
                      "type: Opaque\n"
                      "stringData:\n"
                      "  sources.json: |\n    ");
    for (size_t i = 0; i < json.len; i++) {
        buf_add_char(out, json.data[i]);
        if (json.data[i] == '\n' && i + 1 < json.len) {
            buf_add_cstr(out, "    ");
        }
    }
    buf_release(&json);
}

/* Under the lock: reads, changes, writes. */
static int change_locked(const struct command_call *call,
                         const struct source_file_lock *lock,
                         const struct source_change *change, struct source_list *list,
                         struct error *err)
{
    if (!source_store_read(call, list, err)) {
        return EXIT_FAILED;
    }
    int code = change->apply(call, list, err);
    if (code != EXIT_DONE) {
        return code;
    }
    return source_file_write(lock, list, err) ? EXIT_DONE : EXIT_FAILED;
}

/* Before anything is locked: the lock's file would be left behind. */
static bool is_refused_at_once(const struct command_call *call,
                               const struct source_change *change, int *out_code)
{
    const struct source_list none = { 0 };
    const struct source *found = NULL;
    struct error err;
    if (change->as_kubernetes && call->json) {
        source_store_tell(call, "--json and --kubernetes are two forms of the same "
                                "answer: give one of them");
        *out_code = EXIT_USAGE;
        return true;
    }
    if (change->needs_source && !source_file_exists(source_store_path(call)) &&
        !source_store_find(call, &none, &found, &err)) {
        *out_code = source_store_fail(call, EXIT_FAILED, &err);
        return true;
    }
    return false;
}

int source_store_change(const struct command_call *call,
                        const struct source_change *change)
{
    struct source_file_lock lock;
    struct source_list list = { 0 };
    struct buf text = { 0 };
    struct error err;
    int code = EXIT_FAILED;
    if (is_refused_at_once(call, change, &code)) {
        return code;
    }
    if (!source_file_lock(source_store_path(call), &lock, &err)) {
        return source_store_fail(call, EXIT_FAILED, &err);
    }
    code = change_locked(call, &lock, change, &list, &err);
    source_file_unlock(&lock);
    if (code != EXIT_DONE) {
        source_store_fail(call, code, &err);
    } else if (change->as_kubernetes) {
        add_kubernetes_secret(&list, &text);
        code = source_store_print(&text);
    } else {
        change->report(call, &list, &text);
        code = source_store_print(&text);
    }
    source_list_release(&list);
    return code;
}

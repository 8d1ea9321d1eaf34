/* names: the `names` command: which column a dotted path gets, and why. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/mapping/column_name.h"

#include "common/base/mem.h"

#include <json-c/json.h>

#include <stdio.h>
#include <stdlib.h>

struct answer {
    struct buf path;
    struct buf name;
    bool was_cut;
    bool was_marked;
    bool is_ignored;
};

/* The next key of a dotted path, its "\." undone into `key`; false at the end. */
static bool next_key(struct view *rest, struct buf *key)
{
    if (rest->data == NULL) {
        return false;
    }
    buf_clear(key);
    size_t i = 0;
    while (i < rest->len && rest->data[i] != '.') {
        if (rest->data[i] == '\\' && i + 1 < rest->len && rest->data[i + 1] == '.') {
            i++;
        }
        buf_add_char(key, rest->data[i++]);
    }
    *rest = i < rest->len ? view_skip(*rest, i + 1) : view_of(NULL, 0);
    return true;
}

static void answer_path(const char *path, struct answer *out)
{
    struct buf key = { 0 };
    struct view rest = view_cstr(path);
    while (next_key(&rest, &key)) {
        if (out->name.len > 0) {
            buf_add_cstr(&out->name, COLUMN_NAME_JOIN);
            buf_add_char(&out->path, '.');
        }
        column_name_add_segment(&out->name, buf_view(&key));
        column_name_add_path(&out->path, buf_view(&key));
    }
    size_t natural = out->name.len;
    column_name_finish(&out->name, buf_view(&out->path));
    out->was_cut = natural > COLUMN_NAME_MAX_BYTES;
    out->was_marked = !out->was_cut && out->name.len != natural;
    buf_release(&key);
}

/* True when the path or one above it is in the list (LOADER_IGNORE_PATHS). */
static bool is_ignored(struct view path, char *const *ignored)
{
    for (; *ignored != NULL; ignored++) {
        struct view above = view_cstr(*ignored);
        bool begins =
            path.len >= above.len && view_equal(view_of(path.data, above.len), above);
        if (begins && (path.len == above.len || path.data[above.len] == '.')) {
            return true;
        }
    }
    return false;
}

static const char *reason(const struct answer *a)
{
    if (a->is_ignored) {
        return "it, or what it is part of, is in LOADER_IGNORE_PATHS";
    }
    if (a->was_cut) {
        return "longer than 59 bytes: cut, with the path's CRC-32C at its end";
    }
    if (a->was_marked) {
        return "reserved (PostgreSQL's own name, or it ends in __st): marked with the "
               "path's CRC-32C";
    }
    return "A-Z in lower case, words joined by _, path segments by __; a key without "
           "letter "
           "or digit is its CRC-32C";
}

static void print_text(struct answer *a)
{
    printf("%s -> %s  (%s)\n", buf_cstr(&a->path),
           a->is_ignored ? "no column" : buf_cstr(&a->name), reason(a));
}

static json_object *to_json(struct answer *a)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "path", json_object_new_string(buf_cstr(&a->path)));
    json_object_object_add(
        o, "column", a->is_ignored ? NULL : json_object_new_string(buf_cstr(&a->name)));
    json_object_object_add(o, "why", json_object_new_string(reason(a)));
    return o;
}

int command_names(const struct command_call *call)
{
    const struct loader_options *o = call->config;
    char **ignored = loader_options_list(o->ignore_paths);
    json_object *list = json_object_new_array();
    for (int i = 0; i < call->arg_count; i++) {
        struct answer a = { .was_cut = false };
        answer_path(call->args[i], &a);
        a.is_ignored = is_ignored(buf_view(&a.path), ignored);
        if (call->json) {
            json_object_array_add(list, to_json(&a));
        } else {
            print_text(&a);
        }
        buf_release(&a.path);
        buf_release(&a.name);
    }
    if (call->json) {
        printf("%s\n", json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
    }
    json_object_put(list);
    loader_options_free_list(ignored);
    return EXIT_DONE;
}

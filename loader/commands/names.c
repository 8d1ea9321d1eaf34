/* names: the `names` command: which column a dotted path gets, and why. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/mapping/column_name.h"
#include "loader/mapping/dotted_path.h"

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

static void answer_path(const char *path, struct answer *out)
{
    dotted_path_join(view_cstr(path), &out->path, &out->name);
    size_t natural = out->name.len;
    column_name_finish(&out->name, buf_view(&out->path));
    out->was_cut = natural > COLUMN_NAME_MAX_BYTES;
    out->was_marked = !out->was_cut && out->name.len != natural;
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
        a.is_ignored = dotted_path_is_ignored(buf_view(&a.path), ignored);
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

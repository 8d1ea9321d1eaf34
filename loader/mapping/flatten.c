#include "loader/mapping/flatten.h"

/* The fixed columns that hold times. */
static enum time_column time_column_of(enum fixed_column column)
{
    switch ((unsigned)column) {
    case FIXED_RECEIVED_AT:
        return TIME_RECEIVED_AT;
    case FIXED_SENT_AT:
        return TIME_SENT_AT;
    case FIXED_TIMESTAMP:
        return TIME_TIMESTAMP;
    case FIXED_ORIGINAL_TIMESTAMP:
        return TIME_ORIGINAL_TIMESTAMP;
    default:
        return TIME_COLUMNS;
    }
}

/* Where the values of one document go. */
struct sink_of_values {
    struct row_builder *builder;
    struct flatten_event *event; /* NULL: the document is a batch's */
};

/* A value of the event's for the message id or a time; false for any other column. */
static bool put_special(const struct sink_of_values *to, const struct json_node *node,
                        uint32_t path, const struct value *v)
{
    struct row_builder *b = to->builder;
    enum fixed_column fixed = paths_name(b->paths, path)->fixed;
    if (fixed == FIXED_MESSAGE_ID) {
        if (node != to->event->id_field) {
            row_builder_put_extra(b, path, v);
        }
        return true;
    }
    enum time_column time = time_column_of(fixed);
    if (time == TIME_COLUMNS) {
        return false;
    }
    if (paths_use(b->paths, path)) {
        to->event->times[time] = *v;
        to->event->time_paths[time] = path;
    } else {
        row_builder_put_extra(b, path, v);
    }
    return true;
}

/* The event wins over its batch, and the first path in it over the later ones. */
static void put_value(const struct sink_of_values *to, const struct json_node *node,
                      uint32_t path)
{
    struct value v = value_of_node(node);
    if (to->event == NULL) {
        row_builder_put_if_empty(to->builder, path, &v);
    } else if (!put_special(to, node, path, &v)) {
        row_builder_put(to->builder, path, &v);
    }
}

/* Walks the flat node list, parents before children; `paths_at` remembers the path of the
 * object that is open at each depth. */
static void walk(const struct sink_of_values *to, const struct json_doc *doc,
                 uint32_t root)
{
    struct paths *paths = to->builder->paths;
    uint32_t paths_at[JSON_MAX_DEPTH + 1] = { PATH_ROOT };
    uint32_t i = 0;
    while (i < doc->count) {
        const struct json_node *node = &doc->nodes[i];
        if ((node->flags & JSON_IS_SHADOWED) != 0 || node->kind == JSON_NULL) {
            i = node->end;
            continue;
        }
        uint32_t path = node->depth == 0
                            ? root
                            : paths_child(paths, paths_at[node->depth - 1], node->key);
        if (paths_get(paths, path)->is_ignored) {
            i = node->end;
        } else if (node->kind == JSON_OBJECT) {
            paths_at[node->depth] = path;
            i++;
        } else {
            put_value(to, node, path);
            i = node->end;
        }
    }
}

void flatten_event(struct row_builder *b, const struct json_doc *doc,
                   struct flatten_event *event)
{
    struct sink_of_values to = { b, event };
    for (unsigned i = 0; i < TIME_COLUMNS; i++) {
        event->time_paths[i] = PATH_ROOT;
    }
    walk(&to, doc, PATH_ROOT);
}

void flatten_batch(struct row_builder *b, const struct json_doc *doc, uint32_t path)
{
    struct sink_of_values to = { b, NULL };
    walk(&to, doc, path);
}

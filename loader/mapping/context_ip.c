#include "loader/mapping/context_ip.h"

#include "common/contract/json_text.h"

#include <stddef.h>

static const struct json_node *member(const struct json_doc *doc,
                                      const struct json_node *object, const char *key)
{
    if (object == NULL || object->kind != JSON_OBJECT) {
        return NULL;
    }
    const struct json_node *node = json_doc_member(doc, object, view_cstr(key));
    return node == NULL || node->kind == JSON_NULL ? NULL : node;
}

/* As the libraries' own sources name them; some with their npm scope (mapping.md, section
 * 4). */
static bool is_device_library(const struct json_node *name, struct arena *arena)
{
    static const char *const names[] = {
        "analytics.js",           "analytics-next",    "analytics-ios",
        "analytics-android",      "analytics-swift",   "analytics-kotlin",
        "analytics-react-native", "analytics-flutter",
    };
    static const struct view scope = VIEW_LITERAL("@segment/");
    if (name == NULL || name->kind != JSON_STRING) {
        return false;
    }
    struct view text = json_text_decode(name->text, arena);
    if (view_starts_with(text, scope)) {
        text = view_skip(text, scope.len);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (view_equal_cstr(text, names[i])) {
            return true;
        }
    }
    return false;
}

bool context_ip_is_sender(const struct json_doc *event, const struct json_doc *context,
                          struct arena *arena)
{
    const struct json_node *own = member(event, &event->nodes[0], "context");
    const struct json_node *batch = context->count > 0 ? &context->nodes[0] : NULL;

    const struct json_node *direct = member(event, own, "direct");
    if (direct == NULL) {
        direct = member(context, batch, "direct");
    }
    if (direct != NULL && direct->kind == JSON_TRUE) {
        return true;
    }
    const struct json_node *name = member(event, member(event, own, "library"), "name");
    if (name == NULL) {
        name = member(context, member(context, batch, "library"), "name");
    }
    return is_device_library(name, arena);
}

#include "common/contract/event_type.h"

#include <stdio.h>

static const char *const names[EVENT_TYPES] = {
    "identify", "track", "page", "screen", "group", "alias", "delete", "rejected",
};

const char *event_type_name(enum event_type type)
{
    return names[type];
}

bool event_type_parse(struct view name, enum event_type *out)
{
    for (int i = 0; i < EVENT_REJECTED; i++) {
        if (view_equal_cstr(name, names[i])) {
            *out = (enum event_type)i;
            return true;
        }
    }
    return false;
}

void topic_name_format(const char *prefix, enum event_type type,
                       char out[TOPIC_NAME_BYTES])
{
    snprintf(out, TOPIC_NAME_BYTES, "%s.%s", prefix, names[type]);
}

bool topic_name_parse(const char *prefix, struct view topic, enum event_type *out)
{
    struct view start = view_cstr(prefix);
    if (!view_starts_with(topic, start) || topic.len <= start.len ||
        topic.data[start.len] != '.') {
        return false;
    }
    struct view rest = view_skip(topic, start.len + 1);
    if (view_equal_cstr(rest, names[EVENT_REJECTED])) {
        *out = EVENT_REJECTED;
        return true;
    }
    return event_type_parse(rest, out);
}

bool topic_prefix_is_valid(const char *prefix)
{
    size_t len = strlen(prefix);
    size_t allowed = strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789._-");
    return len >= 1 && len <= 200 && allowed == len;
}

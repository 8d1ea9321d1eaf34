#include "loader/consume/selection.h"

#include "common/base/mem.h"
#include "common/contract/event_type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_BYTES (TOPIC_NAME_BYTES + 40)

/* A few are told by name, many by number. */
#define NAMED_AT_MOST 3

static const struct {
    const char *word; /* in the text */
    const char *one, *many;
} kinds[SELECTION_KINDS] = {
    [SELECTION_SOURCE] = { "source", "source", "sources" },
    [SELECTION_TYPE] = { "type", "type", "types" },
    [SELECTION_MESSAGE_ID] = { "message-id", "message id", "message ids" },
    [SELECTION_PLACE] = { "place", "record", "records" },
};

void selection_add(struct selection *s, enum selection_kind kind, struct view value)
{
    struct selection_set *set = &s->sets[kind];
    if (set->count == set->capacity) {
        set->capacity = set->capacity == 0 ? 16 : set->capacity * 2;
        set->values = mem_resize(set->values, set->capacity, sizeof *set->values);
    }
    set->values[set->count++] = mem_strdup_view(value);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void selection_seal(struct selection *s)
{
    for (int kind = 0; kind < SELECTION_KINDS; kind++) {
        struct selection_set *set = &s->sets[kind];
        size_t kept = 0;
        if (set->count == 0) {
            continue;
        }
        qsort(set->values, set->count, sizeof *set->values, compare);
        for (size_t i = 1; i < set->count; i++) {
            if (strcmp(set->values[kept], set->values[i]) == 0) {
                free(set->values[i]);
            } else {
                set->values[++kept] = set->values[i];
            }
        }
        set->count = kept + 1;
    }
}

/* ---- asking ---- */

static bool has(const struct selection *s, enum selection_kind kind, struct view value)
{
    const struct selection_set *set = &s->sets[kind];
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = view_compare(view_cstr(set->values[middle]), value);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

static bool is_any(const struct selection *s, enum selection_kind kind)
{
    return s->sets[kind].count == 0;
}

/* What ingest refused says in a header what it would have been. */
static struct view type_of(const struct log_record *r)
{
    return r->record.topic == EVENT_REJECTED
               ? r->record.type
               : view_cstr(event_type_name(r->record.topic));
}

static bool has_place(const struct selection *s, const struct log_record *r)
{
    char place[PLACE_BYTES];
    snprintf(place, sizeof place, "%s:%d:%lld", r->topic, r->partition,
             (long long)r->offset);
    return has(s, SELECTION_PLACE, view_cstr(place));
}

bool selection_wants(const struct selection *s, const struct log_record *r)
{
    return (is_any(s, SELECTION_SOURCE) || has(s, SELECTION_SOURCE, r->record.source) ||
            has(s, SELECTION_SOURCE, r->record.schema)) &&
           (is_any(s, SELECTION_TYPE) || has(s, SELECTION_TYPE, type_of(r))) &&
           (is_any(s, SELECTION_MESSAGE_ID) ||
            has(s, SELECTION_MESSAGE_ID, r->record.key)) &&
           (is_any(s, SELECTION_PLACE) || has_place(s, r));
}

/* ---- as text ---- */

void selection_write(const struct selection *s, struct buf *out)
{
    for (int kind = 0; kind < SELECTION_KINDS; kind++) {
        for (size_t i = 0; i < s->sets[kind].count; i++) {
            buf_printf(out, "%s %s\n", kinds[kind].word, s->sets[kind].values[i]);
        }
    }
}

static bool read_line(struct selection *s, struct view line)
{
    for (int kind = 0; kind < SELECTION_KINDS; kind++) {
        struct view word = view_cstr(kinds[kind].word);
        if (view_starts_with(line, word) && line.len > word.len + 1 &&
            line.data[word.len] == ' ') {
            selection_add(s, (enum selection_kind)kind, view_skip(line, word.len + 1));
            return true;
        }
    }
    return false;
}

bool selection_read(struct selection *s, const char *text, struct error *err)
{
    struct view rest = view_cstr(text);
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        if (!read_line(s, view_of(rest.data, len))) {
            return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                             "the selection of the run is not readable: %.*s", (int)len,
                             rest.data);
        }
        rest = view_skip(rest, end == NULL ? len : len + 1);
    }
    selection_seal(s);
    return true;
}

void selection_describe(const struct selection *s, struct buf *out)
{
    bool is_all = true;
    for (int kind = 0; kind < SELECTION_KINDS; kind++) {
        const struct selection_set *set = &s->sets[kind];
        if (set->count == 0) {
            continue;
        }
        buf_add_cstr(out, is_all ? "" : "; ");
        is_all = false;
        if (set->count > NAMED_AT_MOST) {
            buf_printf(out, "%zu %s", set->count, kinds[kind].many);
            continue;
        }
        buf_add_cstr(out, set->count == 1 ? kinds[kind].one : kinds[kind].many);
        for (size_t i = 0; i < set->count; i++) {
            buf_printf(out, "%s %s", i == 0 ? "" : ",", set->values[i]);
        }
    }
    buf_add_cstr(out, is_all ? "every record" : "");
}

void selection_release(struct selection *s)
{
    for (int kind = 0; kind < SELECTION_KINDS; kind++) {
        for (size_t i = 0; i < s->sets[kind].count; i++) {
            free(s->sets[kind].values[i]);
        }
        free(s->sets[kind].values);
    }
    *s = (struct selection){ .sets = { { .values = NULL } } };
}

#include "loader/mapping/map_event.h"

#include "loader/mapping/column_name.h"
#include "loader/mapping/event_row.h"
#include "loader/mapping/integrations.h"
#include "loader/mapping/rejected.h"
#include "loader/mapping/value.h"

#include "common/base/mem.h"
#include "common/contract/json_text.h"
#include "common/contract/message_id.h"

#include <stdio.h>
#include <stdlib.h>

/* The contract's limits: what ingest accepts is accepted here. All depths are recorded,
 * since objects of any depth become columns. */
static const struct json_limits event_limits = { JSON_MAX_DEPTH, JSON_MAX_KEYS,
                                                 JSON_ALL_DEPTHS };

/* The documents, paths and scratch buffers are kept from event to event: mapping an
 * ordinary event allocates nothing but its results, in the caller's arena. */
struct mapper {
    char **ignore_paths; /* NULL-ended */
    char **integration_names;
    struct json_doc event;
    struct json_doc context;      /* of the batch; no nodes: there is none */
    struct json_doc integrations; /* of the batch */
    struct paths paths;
    struct row_builder builder;
    struct buf name; /* scratch */
};

/* One call of map_event. */
struct mapping {
    struct mapper *m;
    const struct record *record;
    struct table_plan *plan;
    enum map_width width;
    struct arena *arena;
    struct map_result *out;
};

static char **copy_list(const char *const *list)
{
    size_t count = 0;
    while (list != NULL && list[count] != NULL) {
        count++;
    }
    char **copy = mem_calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = mem_strdup(list[i]);
    }
    return copy;
}

static void free_list(char **list)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        free(list[i]);
    }
    free((void *)list);
}

struct mapper *mapper_new(const struct mapping_options *options)
{
    struct mapper *m = mem_calloc(1, sizeof(*m));
    m->ignore_paths = copy_list(options->ignore_paths);
    m->integration_names = copy_list(options->integration_names);
    paths_init(&m->paths, (const char *const *)m->ignore_paths);
    row_builder_init(&m->builder, &m->paths);
    buf_init(&m->name, 0);
    return m;
}

void mapper_free(struct mapper *m)
{
    if (m == NULL) {
        return;
    }
    buf_release(&m->name);
    row_builder_release(&m->builder);
    paths_release(&m->paths);
    json_doc_release(&m->integrations);
    json_doc_release(&m->context);
    json_doc_release(&m->event);
    free_list(m->integration_names);
    free_list(m->ignore_paths);
    free(m);
}

/* Scans `text`, leaving an empty document where there is none. */
static bool scan(struct json_doc *doc, struct view text, struct json_fault *fault)
{
    doc->count = 0;
    return text.len == 0 || json_doc_scan(doc, text, &event_limits, fault);
}

/* What a person needs to find the fault in the record. */
static struct view fault_text(const char *where, const struct json_fault *fault,
                              struct arena *arena)
{
    char text[160];
    int len = snprintf(text, sizeof(text), "%sat byte %zu: %s", where, fault->offset,
                       fault->what);
    size_t kept = len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1;
    return arena_copy(arena, view_of(text, kept));
}

/* The id of what was scanned into m->event. A record that ingest refused keeps the id
 * that ingest gave it: its value may have been cut since. */
static struct view message_id_of(struct mapper *m, const struct record *r,
                                 struct arena *arena, const struct json_node **out_field)
{
    bool is_object = m->event.count > 0 && m->event.nodes[0].kind == JSON_OBJECT;
    *out_field = NULL;
    if (r->topic == EVENT_REJECTED && r->key.len > 0 &&
        r->key.len <= MESSAGE_ID_MAX_BYTES && rejected_is_storable(r->key)) {
        return r->key;
    }
    if (!is_object) {
        char derived[MESSAGE_ID_HASH_BYTES + 1];
        message_id_derive(r->source, r->value, derived);
        return arena_copy(arena, view_cstr(derived));
    }
    struct message_id id;
    message_id_of_event(&m->event, r->source, arena, &id);
    *out_field = id.field;
    return arena_copy(arena, id.text); /* it may point into `id` */
}

/* Who an event is about, whatever its rejection: the first string or number in the
 * document whose key gives user_id. Empty: nobody. */
static struct view user_id_of(struct mapper *m, struct arena *arena)
{
    struct view none = { NULL, 0 };
    const struct json_doc *doc = &m->event;
    if (doc->count == 0 || doc->nodes[0].kind != JSON_OBJECT) {
        return none;
    }
    const struct json_node *root = &doc->nodes[0];
    for (const struct json_node *n = json_doc_first(doc, root); n != NULL;
         n = json_doc_next(doc, root, n)) {
        bool may_be = n->kind == JSON_STRING || n->kind == JSON_NUMBER;
        if (!may_be || (n->flags & JSON_IS_SHADOWED) != 0) {
            continue;
        }
        buf_clear(&m->name);
        column_name_add_segment(&m->name, n->key);
        if (!view_equal(buf_view(&m->name), fixed_column_info(FIXED_USER_ID)->name)) {
            continue;
        }
        struct value v = value_of_node(n);
        struct view text = value_as_text(&v, arena);
        if (text.len > 0) {
            return text;
        }
    }
    return none;
}

/* The table the event would have gone to: its topic's, or that of its path. */
static struct view table_name_of(const struct record *r)
{
    enum event_type type = r->topic;
    if (type >= EVENT_DATA_TYPES &&
        (!event_type_parse(r->type, &type) || type >= EVENT_DATA_TYPES)) {
        return view_of(NULL, 0);
    }
    return view_cstr(event_type_name(type));
}

/* Rejects what was scanned into m->event (nothing: it does not parse). */
static void fill_rejected(struct mapper *m, const struct record *record,
                          enum reject_reason word, struct view detail,
                          struct arena *arena, struct map_rejected *out)
{
    const struct json_node *field;
    out->word = word;
    out->reason = rejected_reason(word, detail, arena);
    out->record = rejected_record(&m->event, record->value, word, arena);
    out->message_id = message_id_of(m, record, arena, &field);
    out->user_id = user_id_of(m, arena);
    out->table_name = table_name_of(record);
}

/* Rejected is an outcome like a row, never an error: the event is kept, only elsewhere.
 */
static void reject(const struct mapping *c, enum reject_reason word, struct view detail)
{
    c->out->outcome = MAP_REJECTED;
    fill_rejected(c->m, c->record, word, detail, c->arena, &c->out->rejected);
}

static void reject_plain(const struct mapping *c, enum reject_reason word)
{
    reject(c, word, view_of(NULL, 0));
}

/* Headers that are not as ingest writes them. */
static void reject_record(const struct mapping *c, const char *detail)
{
    reject(c, REJECT_INVALID_RECORD, view_cstr(detail));
}

/* What ingest refused but kept. */
static void map_rejected(const struct mapping *c)
{
    struct json_fault fault;
    if (!json_doc_scan(&c->m->event, c->record->value, &event_limits, &fault)) {
        c->m->event.count = 0;
    }
    reject(c, reject_reason_parse(c->record->reason), c->record->detail);
}

/* Whoever may ask for a deletion is decided before it is asked whose: a stranger learns
 * nothing. Its columns, times and integrations do not matter. */
static void map_deletion(const struct mapping *c)
{
    const struct record *r = c->record;
    const struct json_node *field;
    bool is_allowed =
        r->via == VIA_WEBHOOK && (r->auth == AUTH_TOKEN || r->auth == AUTH_SIGNATURE);
    if (!is_allowed) {
        reject_plain(c, REJECT_DELETE_NOT_ALLOWED);
        return;
    }
    struct view user = user_id_of(c->m, c->arena);
    if (user.len == 0) {
        reject_plain(c, REJECT_DELETE_WITHOUT_USER);
        return;
    }
    c->out->outcome = MAP_DELETION;
    c->out->deletion.user_id = user;
    c->out->deletion.message_id = message_id_of(c->m, r, c->arena, &field);
    c->out->deletion.requested_at_ms = r->received_at_ms;
}

/* The event's own type, else that of its path; NULL data when there is neither. */
static struct view type_of(const struct mapping *c)
{
    const struct json_doc *doc = &c->m->event;
    const struct json_node *type =
        json_doc_member(doc, &doc->nodes[0], view_cstr("type"));
    if (type == NULL || type->kind == JSON_NULL) {
        return c->record->type;
    }
    return type->kind == JSON_STRING ? json_text_decode(type->text, c->arena)
                                     : view_of(NULL, 0);
}

/* Scans event and headers; rejects what does not hold. */
static bool read_record(const struct mapping *c)
{
    struct mapper *m = c->m;
    const struct record *r = c->record;
    struct json_fault fault;
    if (!json_doc_scan(&m->event, r->value, &event_limits, &fault)) {
        m->event.count = 0;
        reject(c, reject_reason_of_fault(fault.kind), fault_text("", &fault, c->arena));
        return false;
    }
    if (m->event.nodes[0].kind != JSON_OBJECT) {
        reject_plain(c, REJECT_NOT_AN_OBJECT);
        return false;
    }
    if (r->received_at_ms < 0 || r->received_at_ms > EVENT_ROW_MAX_MS) {
        reject_record(c, "received-at is out of range");
        return false;
    }
    if (!rejected_is_storable(r->sent_at) || !rejected_is_storable(r->ip)) {
        reject_record(c, "sent-at or ip is no text");
        return false;
    }
    if (!scan(&m->context, r->context, &fault)) {
        reject(c, REJECT_INVALID_RECORD, fault_text("context ", &fault, c->arena));
        return false;
    }
    if (!scan(&m->integrations, r->integrations, &fault)) {
        reject(c, REJECT_INVALID_RECORD, fault_text("integrations ", &fault, c->arena));
        return false;
    }
    return true;
}

/* The topic decides about the table; a record whose event says otherwise is not from
 * ingest. */
static bool check_type(const struct mapping *c)
{
    enum event_type type;
    if (!event_type_parse(type_of(c), &type)) {
        reject_plain(c, REJECT_UNKNOWN_EVENT_TYPE);
        return false;
    }
    if (type != c->record->topic) {
        reject_record(c, "the event's type is not its topic's");
        return false;
    }
    return true;
}

/* A key that is longer than an existing table's column (Stitch's varchar, a human's) has
 * no place there, whatever the table's other columns are. */
static bool check_id(const struct mapping *c, struct view message_id)
{
    struct view name = fixed_column_info(FIXED_MESSAGE_ID)->name;
    const struct column *key = table_find(table_plan_base(c->plan), name);
    struct value id = value_of_plain(message_id);
    struct cell ignored;
    if (key == NULL || key->type != COLUMN_VARCHAR ||
        value_convert(&id, key, c->arena, &ignored)) {
        return true;
    }
    struct buf detail = { 0 };
    buf_printf(&detail, "message_id is longer than its column, varchar(%d)",
               (int)key->max_chars);
    reject(c, REJECT_BY_DATABASE, buf_view(&detail));
    buf_release(&detail);
    return false;
}

/* Plans fixed columns only now: an event that is not loaded must not make a table. */
static void map_row(const struct mapping *c)
{
    struct row_builder *b = &c->m->builder;
    struct row *row = &c->out->row;
    struct event_source source = {
        .record = c->record,
        .event = &c->m->event,
        .context = &c->m->context,
        .integrations = &c->m->integrations,
    };
    row->message_id = message_id_of(c->m, c->record, c->arena, &source.id_field);
    source.message_id = row->message_id;
    if (!check_id(c, row->message_id)) {
        return;
    }
    fixed_columns_plan(c->plan, c->record->topic);
    row_builder_begin(b, c->plan, c->width, c->arena);
    event_row_put(b, &source, row);
    if (!row_builder_finish(b, row)) {
        reject(c, REJECT_BY_DATABASE,
               view_cstr("_sdc_extra has a type that cannot hold values"));
        return;
    }
    c->out->outcome = MAP_ROW;
    c->out->sanitized = b->sanitized;
    c->out->overflowed = b->overflowed;
    c->out->demoted = b->demoted;
}

void map_event(struct mapper *m, const struct record *record, struct table_plan *plan,
               enum map_width width, struct arena *arena, struct map_result *out)
{
    struct mapping c = { m, record, plan, width, arena, out };
    memset(out, 0, sizeof(*out));
    paths_begin(&m->paths);
    if (record->topic == EVENT_REJECTED) {
        map_rejected(&c);
        return;
    }
    if (!read_record(&c) || !check_type(&c)) {
        return;
    }
    if (record->topic == EVENT_DELETE) {
        map_deletion(&c);
        return;
    }
    REQUIRE(plan != NULL);
    if (record->via != VIA_WEBHOOK &&
        !integrations_select(&m->event, &m->integrations,
                             (const char *const *)m->integration_names)) {
        out->outcome = MAP_SUPPRESSED;
        return;
    }
    map_row(&c);
}

void map_event_reject(struct mapper *m, const struct record *record,
                      enum reject_reason word, struct view detail, struct arena *arena,
                      struct map_rejected *out)
{
    struct json_fault fault;
    memset(out, 0, sizeof(*out));
    if (!json_doc_scan(&m->event, record->value, &event_limits, &fault)) {
        m->event.count = 0;
    }
    fill_rejected(m, record, word, detail, arena, out);
}

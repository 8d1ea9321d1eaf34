#include "ingest/commands/segment_api.h"

#include "ingest/commands/https_client.h"

#include "common/base/mem.h"

#include <json-c/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "Webhooks (Actions)" in Segment's catalogue of destinations; the same in every
 * workspace. */
#define WEBHOOKS_ACTIONS "614a3c7d791c91c41bae7599"
#define SEND_ACTION "send"

/* Subscriptions are only in the alpha part of the API. */
#define STABLE "application/vnd.segment.v1+json"
#define ALPHA "application/vnd.segment.v1alpha+json"

/* All six kinds; the webhook is never told of deletions. */
#define ALL_EVENTS                                                                       \
    "type = \"identify\" or type = \"track\" or type = \"page\" or type = \"screen\" "   \
    "or type = \"group\" or type = \"alias\""

#define PAGE_SIZE 200
#define MAX_PAGES 1000 /* a cursor that leads in a circle must end too */

struct segment_api {
    struct https_client *client;
    struct buf answer;
};

bool segment_api_open(const char *url, const char *token, struct segment_api **out,
                      struct error *err)
{
    struct https_client *client = NULL;
    if (!https_client_open(url, token, &client, err)) {
        return false;
    }
    struct segment_api *api = mem_calloc(1, sizeof *api);
    api->client = client;
    *out = api;
    return true;
}

void segment_api_close(struct segment_api *api)
{
    if (api != NULL) {
        https_client_close(api->client);
        buf_release(&api->answer);
        free(api);
    }
}

/* ---- one call ---- */

/* The text of a member, "" when there is none. */
static const char *text_of(json_object *object, const char *member)
{
    json_object *value = NULL;
    json_object_object_get_ex(object, member, &value);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value)
                                                        : "";
}

static json_object *member_of(json_object *object, const char *member)
{
    json_object *value = NULL;
    json_object_object_get_ex(object, member, &value);
    return value;
}

/* {"errors":[{"type","message"}]}: the first message. */
static const char *refusal_of(json_object *answer)
{
    json_object *errors = member_of(answer, "errors");
    if (!json_object_is_type(errors, json_type_array) ||
        json_object_array_length(errors) == 0) {
        return "without a message";
    }
    json_object *first = json_object_array_get_idx(errors, 0);
    const char *message = text_of(first, "message");
    return message[0] != '\0' ? message : text_of(first, "type");
}

static bool refuse(const struct https_request *request, int status, json_object *answer,
                   struct error *err)
{
    bool is_temporary = status == 429 || status >= 500;
    return error_set(err, is_temporary ? ERROR_RETRY : ERROR_INVALID, ERROR_FROM_HTTP,
                     NULL, "Segment answers %s %s with %d: %s%s", request->method,
                     request->path, status, refusal_of(answer),
                     is_temporary                     ? ": try again later"
                     : status == 401 || status == 403 ? ": the token must be one of the "
                                                        "Public API, of a Workspace Owner"
                                                      : "");
}

/* Calls; *out_data is the answer's member "data", to be given back with the answer by
 * json_object_put(*out). */
static bool call(struct segment_api *api, const struct https_request *request,
                 json_object **out, json_object **out_data, struct error *err)
{
    int status = 0;
    if (!https_client_call(api->client, request, &status, &api->answer, err)) {
        return false;
    }
    json_object *answer = json_tokener_parse(buf_cstr(&api->answer));
    json_object *data = member_of(answer, "data");
    if (status < 200 || status > 299 || !json_object_is_type(data, json_type_object)) {
        refuse(request, status, answer, err);
        json_object_put(answer);
        return false;
    }
    *out = answer;
    *out_data = data;
    return true;
}

/* Sends `body`, and gives it back; the id of the object `member` in the answer. */
static bool send_body(struct segment_api *api, struct https_request *request,
                      json_object *body, const char *member, char out_id[64],
                      struct error *err)
{
    json_object *answer = NULL;
    json_object *data = NULL;
    request->body = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    bool is_done = call(api, request, &answer, &data, err);
    if (is_done) {
        snprintf(out_id, 64, "%s", text_of(member_of(data, member), "id"));
        json_object_put(answer);
    }
    json_object_put(body);
    return is_done;
}

/* ---- lists, which come in pages ---- */

/* Told of each object of a list; true: enough, stop. */
typedef bool (*on_item)(void *context, json_object *item);

static void add_page_query(struct buf *path, const char *cursor)
{
    buf_printf(path, "?pagination%%5Bcount%%5D=%d", PAGE_SIZE);
    if (cursor[0] != '\0') { /* opaque, base64: only '+', '/' and '=' need it */
        buf_add_cstr(path, "&pagination%5Bcursor%5D=");
        for (const char *c = cursor; *c != '\0'; c++) {
            buf_printf(path, strchr("+/=&%# ", *c) != NULL ? "%%%02X" : "%c", *c);
        }
    }
}

struct listing {
    const char *path, *accept;
    const char *member; /* of the answer's data: the list */
    on_item item;
    void *context;
};

/* One page; the cursor of the next one, empty when there is none or enough was seen. */
static bool walk_page(struct segment_api *api, const struct listing *list,
                      struct buf *cursor, struct error *err)
{
    struct buf path = { 0 };
    json_object *answer = NULL;
    json_object *data = NULL;
    buf_add_cstr(&path, list->path);
    add_page_query(&path, buf_cstr(cursor));
    const struct https_request request = { "GET", buf_cstr(&path), list->accept, NULL };
    bool is_done = call(api, &request, &answer, &data, err);
    buf_clear(cursor);
    if (is_done) {
        bool is_enough = false;
        json_object *items = member_of(data, list->member);
        size_t count = json_object_is_type(items, json_type_array)
                           ? json_object_array_length(items)
                           : 0;
        for (size_t i = 0; i < count && !is_enough; i++) {
            is_enough = list->item(list->context, json_object_array_get_idx(items, i));
        }
        if (!is_enough) {
            buf_add_cstr(cursor, text_of(member_of(data, "pagination"), "next"));
        }
        json_object_put(answer);
    }
    buf_release(&path);
    return is_done;
}

static bool walk(struct segment_api *api, const struct listing *list, struct error *err)
{
    struct buf cursor = { 0 };
    bool is_done = walk_page(api, list, &cursor, err);
    for (int pages = 1; is_done && cursor.len > 0 && pages < MAX_PAGES; pages++) {
        is_done = walk_page(api, list, &cursor, err);
    }
    buf_release(&cursor);
    return is_done;
}

/* ---- sources ---- */

static bool add_source(void *context, json_object *item)
{
    struct segment_sources *sources = context;
    sources->of = mem_resize(sources->of, sources->count + 1, sizeof *sources->of);
    sources->of[sources->count++] = (struct segment_source){
        .id = mem_strdup(text_of(item, "id")),
        .slug = mem_strdup(text_of(item, "slug")),
        .name = mem_strdup(text_of(item, "name")),
        .is_enabled = json_object_get_boolean(member_of(item, "enabled"))
    };
    return false;
}

bool segment_api_sources(struct segment_api *api, struct segment_sources *out,
                         struct error *err)
{
    struct segment_sources found = { 0 };
    const struct listing list = { "/sources", STABLE, "sources", add_source, &found };
    if (!walk(api, &list, err)) {
        segment_sources_release(&found);
        return false;
    }
    *out = found;
    return true;
}

void segment_sources_release(struct segment_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        free(sources->of[i].id);
        free(sources->of[i].slug);
        free(sources->of[i].name);
    }
    free(sources->of);
    *sources = (struct segment_sources){ .count = 0 };
}

/* ---- looking for what is there ---- */

/* What is looked for in a list, and its id once it was found. */
struct search {
    const char *member; /* must have this text */
    const char *text;
    const char *metadata_id; /* NULL: any kind of destination */
    char id[64];
};

static bool is_wanted(void *context, json_object *item)
{
    struct search *search = context;
    bool is_found =
        strcmp(text_of(item, search->member), search->text) == 0 &&
        (search->metadata_id == NULL ||
         strcmp(text_of(member_of(item, "metadata"), "id"), search->metadata_id) == 0);
    if (is_found) {
        snprintf(search->id, sizeof search->id, "%s", text_of(item, "id"));
    }
    return is_found;
}

static bool find_destination(struct segment_api *api, const struct segment_webhook *w,
                             char out_id[64], struct error *err)
{
    struct buf path = { 0 };
    struct search search = { .member = "name",
                             .text = w->name,
                             .metadata_id = WEBHOOKS_ACTIONS };
    buf_printf(&path, "/sources/%s/connected-destinations", w->source_id);
    const struct listing list = { buf_cstr(&path), STABLE, "destinations", is_wanted,
                                  &search };
    bool is_done = walk(api, &list, err);
    snprintf(out_id, 64, "%s", search.id);
    buf_release(&path);
    return is_done;
}

static bool find_mapping(struct segment_api *api, const char *destination_id,
                         const char *name, char out_id[64], struct error *err)
{
    struct buf path = { 0 };
    struct search search = { .member = "name", .text = name };
    buf_printf(&path, "/destinations/%s/subscriptions", destination_id);
    const struct listing list = { buf_cstr(&path), ALPHA, "subscriptions", is_wanted,
                                  &search };
    bool is_done = walk(api, &list, err);
    snprintf(out_id, 64, "%s", search.id);
    buf_release(&path);
    return is_done;
}

/* The id of the action that sends a request, as the catalogue has it now. */
static bool find_action(struct segment_api *api, char out_id[64], struct error *err)
{
    const struct https_request request = { "GET",
                                           "/catalog/destinations/" WEBHOOKS_ACTIONS,
                                           STABLE, NULL };
    struct search search = { .member = "slug", .text = SEND_ACTION };
    json_object *answer = NULL;
    json_object *data = NULL;
    if (!call(api, &request, &answer, &data, err)) {
        return false;
    }
    json_object *actions = member_of(member_of(data, "destinationMetadata"), "actions");
    size_t count = json_object_is_type(actions, json_type_array)
                       ? json_object_array_length(actions)
                       : 0;
    for (size_t i = 0; i < count; i++) {
        if (is_wanted(&search, json_object_array_get_idx(actions, i))) {
            break;
        }
    }
    json_object_put(answer);
    snprintf(out_id, 64, "%s", search.id);
    return out_id[0] != '\0' ||
           error_set(err, ERROR_INVALID, ERROR_FROM_HTTP, NULL,
                     "Segment's catalogue has no action '" SEND_ACTION
                     "' for Webhooks (Actions): add the destination by hand, with what "
                     "'source show' prints");
}

/* ---- making it so ---- */

static void add_text(json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

/* Off until it has its mapping: else events would pass it by. */
static bool put_destination(struct segment_api *api, const struct segment_webhook *w,
                            char id[64], struct error *err)
{
    struct buf path = { 0 };
    json_object *body = json_object_new_object();
    json_object *settings = json_object_new_object();
    add_text(settings, "sharedSecret", w->secret);
    json_object_object_add(body, "settings", settings);
    struct https_request request = { "POST", "/destinations", STABLE, NULL };
    if (id[0] != '\0') {
        buf_printf(&path, "/destinations/%s", id);
        request = (struct https_request){ "PATCH", buf_cstr(&path), STABLE, NULL };
    } else {
        add_text(body, "sourceId", w->source_id);
        add_text(body, "metadataId", WEBHOOKS_ACTIONS);
        add_text(body, "name", w->name);
        json_object_object_add(body, "enabled", json_object_new_boolean(false));
    }
    bool is_done = send_body(api, &request, body, "destination", id, err);
    buf_release(&path);
    return is_done;
}

/* The fields of the action "Send": the whole event goes, as it is. */
static json_object *mapping_of(const struct segment_webhook *w)
{
    json_object *fields = json_object_new_object();
    json_object *headers = json_object_new_object();
    json_object *data = json_object_new_object();
    struct buf bearer = { 0 };
    add_text(data, "@path", "$.");
    add_text(fields, "url", w->url);
    add_text(fields, "method", "POST");
    if (w->token[0] != '\0') {
        buf_printf(&bearer, "Bearer %s", w->token);
        add_text(headers, "Authorization", buf_cstr(&bearer));
        buf_release(&bearer);
    }
    json_object_object_add(fields, "headers", headers);
    json_object_object_add(fields, "data", data);
    return fields;
}

static bool put_mapping(struct segment_api *api, const struct segment_webhook *w,
                        const char *destination_id, const char *action_id,
                        struct error *err)
{
    struct buf path = { 0 };
    char id[64] = "";
    if (!find_mapping(api, destination_id, w->name, id, err)) {
        return false;
    }
    json_object *mapping = json_object_new_object();
    json_object *body = mapping;
    const char *method = "POST";
    add_text(mapping, "name", w->name);
    add_text(mapping, "trigger", ALL_EVENTS);
    json_object_object_add(mapping, "enabled", json_object_new_boolean(true));
    json_object_object_add(mapping, "settings", mapping_of(w));
    buf_printf(&path, "/destinations/%s/subscriptions", destination_id);
    if (id[0] != '\0') { /* an update has the same members one level deeper */
        buf_printf(&path, "/%s", id);
        method = "PATCH";
        body = json_object_new_object();
        json_object_object_add(body, "input", mapping);
    } else {
        add_text(mapping, "actionId", action_id);
    }
    struct https_request request = { method, buf_cstr(&path), ALPHA, NULL };
    bool is_done = send_body(api, &request, body, "subscription", id, err);
    buf_release(&path);
    return is_done;
}

static bool switch_on(struct segment_api *api, char destination_id[64], struct error *err)
{
    struct buf path = { 0 };
    json_object *body = json_object_new_object();
    char id[64];
    json_object_object_add(body, "enabled", json_object_new_boolean(true));
    buf_printf(&path, "/destinations/%s", destination_id);
    struct https_request request = { "PATCH", buf_cstr(&path), STABLE, NULL };
    bool is_done = send_body(api, &request, body, "destination", id, err);
    buf_release(&path);
    return is_done;
}

bool segment_api_connect(struct segment_api *api, const struct segment_webhook *webhook,
                         struct segment_connection *out, struct error *err)
{
    struct segment_connection made = { .was_there = false };
    char action_id[64];
    if (!find_action(api, action_id, err) ||
        !find_destination(api, webhook, made.destination_id, err)) {
        return false;
    }
    made.was_there = made.destination_id[0] != '\0';
    if (!put_destination(api, webhook, made.destination_id, err) ||
        !put_mapping(api, webhook, made.destination_id, action_id, err) ||
        !switch_on(api, made.destination_id, err)) {
        return false;
    }
    *out = made;
    return true;
}

#include "ingest/http/late_answer.h"

#include "ingest/http/answer_text.h"
#include "ingest/http/http_connection.h"
#include "ingest/http/socket_of.h"

#include "common/base/mem.h"

#include <stddef.h>
#include <sys/socket.h>

static struct connection_slot *slot_of(struct http_late *late)
{
    return (struct connection_slot *)(void *)((char *)late -
                                              offsetof(struct connection_slot, late));
}

struct http_late *http_answer_later(struct http_exchange *e,
                                    const struct http_late_owner *owner,
                                    int64_t deadline_mono_ms)
{
    struct connection_slot *s = &e->worker->slot;
    struct http_late *late = NULL;
    if (http_exchange_must_close(e, false) ||
        view_equal_cstr(e->request.method, "HEAD")) {
        return NULL;
    }
    pthread_mutex_lock(&s->lock);
    if (s->requests > 1 && s->socket < 0) {
        s->socket = socket_of(s->connection);
    }
    if (s->requests > 1 && s->socket >= 0) {
        late = &s->late;
        late->owner = *owner;
        late->deadline_mono_ms = deadline_mono_ms;
        late->busy = &e->worker->server->busy;
        late->is_open = true;
        memcpy(late->request_id, e->request.request_id, sizeof late->request_id);
        e->is_answered_later = true;
    }
    pthread_mutex_unlock(&s->lock);
    return late;
}

void http_late_answer(struct http_late *late, const struct http_reply *reply)
{
    struct connection_slot *s = slot_of(late);
    struct answer_facts facts = { .request_id = late->request_id };
    struct buf *text = &late->text;
    REQUIRE(!reply->must_close);
    pthread_mutex_lock(&s->lock);
    REQUIRE(late->is_open);
    buf_clear(text);
    answer_text_add(text, reply, &facts);
    ssize_t sent = send(s->socket, text->data, text->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != (ssize_t)text->len) {
        /* Gone, or it does not read: what it got is no whole answer. */
        shutdown(s->socket, SHUT_RDWR);
    }
    late->is_open = false;
    atomic_fetch_sub(late->busy, 1);
    pthread_cond_signal(&s->answered);
    pthread_mutex_unlock(&s->lock);
}

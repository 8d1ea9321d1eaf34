#include "ingest/http/connection_watch.h"

#include "ingest/http/socket_of.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <sys/socket.h>

#define LOOK_EVERY_MS 50
/* Above this share of the workers in use, waiting connections are ended. */
#define PRESSURE_PERCENT 80
/* Between two requests of a busy client lies less. */
#define IDLE_FROM_MS 250
#define SLOW_FROM_MS 1000

struct connection_watch {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below; taken before a slot's */
    pthread_cond_t stop;
    bool is_stopping;
    unsigned threads;
    struct connection_slot *slots;
};

/* ---- one slot; its lock is held ---- */

/* Ends what the worker waits for. An idle connection is then closed without a word; what
 * had begun to send a head or a body gets its answer. */
static void shut(struct connection_slot *s)
{
    if (s->socket < 0) {
        s->socket = socket_of(s->connection);
    }
    if (s->socket >= 0) {
        shutdown(s->socket, SHUT_RD);
        s->was_shut = true;
    }
}

static bool is_waiting(const struct connection_slot *s)
{
    return s->connection != NULL && !s->late.is_open && !s->was_shut;
}

/* Since when it has been idle, or slow, long enough to go; INT64_MAX: it has not. */
static int64_t idle_since(const struct connection_slot *s, int64_t now)
{
    bool is_idle = is_waiting(s) && s->state == CONNECTION_IDLE;
    return is_idle && now - s->since_mono_ms >= IDLE_FROM_MS ? s->since_mono_ms
                                                             : INT64_MAX;
}

static int64_t slow_since(const struct connection_slot *s, int64_t now)
{
    bool is_reading =
        is_waiting(s) && (s->state == CONNECTION_HEAD || s->state == CONNECTION_BODY);
    return is_reading && now - s->since_mono_ms >= SLOW_FROM_MS ? s->since_mono_ms
                                                                : INT64_MAX;
}

/* ---- deadlines ---- */

/* The owner is told without the slot's lock: what it does may answer, which takes it. */
static void tell_deadline(struct connection_slot *s, int64_t now)
{
    struct http_late_owner owner = s->late.owner;
    owner.hold(owner.context);
    pthread_mutex_unlock(&s->lock);
    int64_t next = owner.on_deadline(owner.context, now);
    pthread_mutex_lock(&s->lock);
    if (s->late.is_open && s->late.owner.context == owner.context) {
        s->late.deadline_mono_ms = next;
    }
    /* Its last reference may free it: not under the lock that its end may want. */
    pthread_mutex_unlock(&s->lock);
    owner.let_go(owner.context);
    pthread_mutex_lock(&s->lock);
}

static void look_at_deadlines(struct connection_watch *w, int64_t now)
{
    for (struct connection_slot *s = w->slots; s != NULL; s = s->next) {
        pthread_mutex_lock(&s->lock);
        if (s->late.is_open && now >= s->late.deadline_mono_ms) {
            tell_deadline(s, now);
        }
        if (is_waiting(s) && s->deadline_mono_ms != 0 && now > s->deadline_mono_ms) {
            shut(s);
        }
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- pressure ---- */

static unsigned count_owned(struct connection_watch *w)
{
    unsigned owned = 0;
    for (struct connection_slot *s = w->slots; s != NULL; s = s->next) {
        pthread_mutex_lock(&s->lock);
        owned += s->connection != NULL && !s->was_shut;
        pthread_mutex_unlock(&s->lock);
    }
    return owned;
}

typedef int64_t (*since_fn)(const struct connection_slot *s, int64_t now);

/* Shuts the slot that has waited longest; false when there is none. */
static bool shut_longest(struct connection_watch *w, since_fn since_of, int64_t now)
{
    struct connection_slot *longest = NULL;
    int64_t since = INT64_MAX;
    for (struct connection_slot *s = w->slots; s != NULL; s = s->next) {
        pthread_mutex_lock(&s->lock);
        int64_t its = since_of(s, now);
        pthread_mutex_unlock(&s->lock);
        if (its < since) {
            since = its;
            longest = s;
        }
    }
    if (longest == NULL) {
        return false;
    }
    pthread_mutex_lock(&longest->lock);
    if (since_of(longest, now) == since) { /* else it moved on meanwhile */
        shut(longest);
    }
    pthread_mutex_unlock(&longest->lock);
    return true;
}

static void relieve(struct connection_watch *w, int64_t now)
{
    unsigned limit = w->threads * PRESSURE_PERCENT / 100;
    unsigned owned = count_owned(w);
    for (; owned > limit; owned--) {
        if (!shut_longest(w, idle_since, now) && !shut_longest(w, slow_since, now)) {
            return;
        }
    }
}

/* ---- the thread ---- */

static void *run(void *context)
{
    struct connection_watch *w = context;
    pthread_mutex_lock(&w->lock);
    while (!w->is_stopping) {
        struct timespec until = clock_timespec(clock_mono_ms() + LOOK_EVERY_MS);
        pthread_cond_timedwait(&w->stop, &w->lock, &until);
        int64_t now = clock_mono_ms();
        look_at_deadlines(w, now);
        relieve(w, now);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void free_watch(struct connection_watch *w)
{
    pthread_cond_destroy(&w->stop);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool connection_watch_start(unsigned threads, struct connection_watch **out,
                            struct error *err)
{
    struct connection_watch *w = mem_calloc(1, sizeof *w);
    w->threads = threads;
    pthread_mutex_init(&w->lock, NULL);
    clock_cond_init(&w->stop);
    int failed = pthread_create(&w->thread, NULL, run, w);
    if (failed != 0) {
        free_watch(w);
        return error_set_errno(err, ERROR_FATAL, failed,
                               "starting the watch on connections");
    }
    *out = w;
    return true;
}

void connection_watch_stop(struct connection_watch *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->stop);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    free_watch(w);
}

/* ---- slots ---- */

void connection_watch_add(struct connection_watch *w, struct connection_slot *slot)
{
    pthread_mutex_init(&slot->lock, NULL);
    pthread_cond_init(&slot->answered, NULL);
    pthread_mutex_lock(&w->lock);
    slot->next = w->slots;
    w->slots = slot;
    pthread_mutex_unlock(&w->lock);
}

void connection_watch_remove(struct connection_watch *w, struct connection_slot *slot)
{
    pthread_mutex_lock(&w->lock);
    struct connection_slot **at = &w->slots;
    while (*at != NULL && *at != slot) {
        at = &(*at)->next;
    }
    REQUIRE(*at == slot);
    *at = slot->next;
    pthread_mutex_unlock(&w->lock);
    buf_release(&slot->late.text);
    pthread_cond_destroy(&slot->answered);
    pthread_mutex_destroy(&slot->lock);
}

void connection_slot_open(struct connection_slot *s, const struct mg_connection *c)
{
    pthread_mutex_lock(&s->lock);
    s->connection = c;
    s->socket = -1;
    s->state = CONNECTION_HEAD;
    s->since_mono_ms = clock_mono_ms();
    s->deadline_mono_ms = 0;
    s->was_shut = false;
    s->requests = 0;
    pthread_mutex_unlock(&s->lock);
}

/* Waits for an outstanding answer; the lock is held. Bounded by its deadlines. */
static void wait_for_answer(struct connection_slot *s)
{
    while (s->late.is_open) {
        pthread_cond_wait(&s->answered, &s->lock);
    }
}

void connection_slot_close(struct connection_slot *s)
{
    pthread_mutex_lock(&s->lock);
    wait_for_answer(s);
    s->connection = NULL;
    s->socket = -1;
    s->state = CONNECTION_NONE;
    pthread_mutex_unlock(&s->lock);
}

void connection_slot_enter(struct connection_slot *s, enum connection_state state)
{
    pthread_mutex_lock(&s->lock);
    if (state == CONNECTION_BUSY && s->state != CONNECTION_BODY) {
        wait_for_answer(s); /* of the request before: answers keep their order */
        s->requests++;
    }
    s->state = state;
    s->since_mono_ms = clock_mono_ms();
    s->deadline_mono_ms = 0;
    pthread_mutex_unlock(&s->lock);
}

void connection_slot_read_body(struct connection_slot *s, int64_t since_mono_ms,
                               int64_t deadline_mono_ms)
{
    pthread_mutex_lock(&s->lock);
    s->state = CONNECTION_BODY;
    s->since_mono_ms = since_mono_ms;
    s->deadline_mono_ms = deadline_mono_ms;
    pthread_mutex_unlock(&s->lock);
}

bool connection_slot_was_shut(struct connection_slot *s)
{
    pthread_mutex_lock(&s->lock);
    bool was_shut = s->was_shut;
    pthread_mutex_unlock(&s->lock);
    return was_shut;
}

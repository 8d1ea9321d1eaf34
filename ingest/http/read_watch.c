#include "ingest/http/read_watch.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOOK_EVERY_MS 250

struct read_watch {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below; taken before a slot's */
    pthread_cond_t stop;
    bool is_stopping;
    struct read_slot *slots;
};

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *size);

/* True when `name_of` (getpeername or getsockname) gives this address and port. */
static bool has_address(int fd, name_fn name_of, const char *ip, int port)
{
    struct sockaddr_in address = { .sin_family = AF_UNSPEC };
    socklen_t size = sizeof address;
    struct in_addr wanted;
    return name_of(fd, (struct sockaddr *)&address, &size) == 0 &&
           address.sin_family == AF_INET && ntohs(address.sin_port) == port &&
           (ip == NULL || (inet_pton(AF_INET, ip, &wanted) == 1 &&
                           address.sin_addr.s_addr == wanted.s_addr));
}

/* The slot's connection among the open files: its worker waits in a read on it, and
 * cannot close it before read_watch_end has got the slot's lock. */
static void shut_connection(const struct read_slot *slot)
{
    DIR *open_files = opendir("/proc/self/fd");
    if (open_files == NULL) {
        return;
    }
    const struct dirent *entry = readdir(open_files);
    while (entry != NULL) {
        char *end = NULL;
        int fd = (int)strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' &&
            has_address(fd, getpeername, slot->peer_ip, slot->peer_port) &&
            has_address(fd, getsockname, NULL, slot->local_port)) {
            shutdown(fd, SHUT_RD);
            break;
        }
        entry = readdir(open_files);
    }
    closedir(open_files);
}

static void look(const struct read_watch *w)
{
    int64_t now = clock_mono_ms();
    for (struct read_slot *s = w->slots; s != NULL; s = s->next) {
        pthread_mutex_lock(&s->lock);
        if (s->deadline_mono_ms != 0 && now > s->deadline_mono_ms) {
            shut_connection(s);
        }
        pthread_mutex_unlock(&s->lock);
    }
}

static void *run(void *context)
{
    struct read_watch *w = context;
    pthread_mutex_lock(&w->lock);
    while (!w->is_stopping) {
        struct timespec until = clock_timespec(clock_mono_ms() + LOOK_EVERY_MS);
        pthread_cond_timedwait(&w->stop, &w->lock, &until);
        look(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

bool read_watch_start(struct read_watch **out, struct error *err)
{
    struct read_watch *w = mem_calloc(1, sizeof *w);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    int failed = pthread_create(&w->thread, NULL, run, w);
    if (failed != 0) {
        pthread_cond_destroy(&w->stop);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return error_set_errno(err, ERROR_FATAL, failed,
                               "starting the watch on slow clients");
    }
    *out = w;
    return true;
}

void read_watch_stop(struct read_watch *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->stop);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->stop);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void read_watch_add(struct read_watch *w, struct read_slot *slot)
{
    pthread_mutex_init(&slot->lock, NULL);
    pthread_mutex_lock(&w->lock);
    slot->next = w->slots;
    w->slots = slot;
    pthread_mutex_unlock(&w->lock);
}

void read_watch_remove(struct read_watch *w, struct read_slot *slot)
{
    pthread_mutex_lock(&w->lock);
    struct read_slot **at = &w->slots;
    while (*at != NULL && *at != slot) {
        at = &(*at)->next;
    }
    REQUIRE(*at == slot);
    *at = slot->next;
    pthread_mutex_unlock(&w->lock);
    pthread_mutex_destroy(&slot->lock);
}

void read_watch_begin(struct read_slot *slot, const char *peer_ip, int peer_port,
                      int local_port, int64_t deadline_mono_ms)
{
    pthread_mutex_lock(&slot->lock);
    slot->peer_ip = peer_ip;
    slot->peer_port = peer_port;
    slot->local_port = local_port;
    slot->deadline_mono_ms = deadline_mono_ms;
    pthread_mutex_unlock(&slot->lock);
}

void read_watch_end(struct read_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->deadline_mono_ms = 0;
    pthread_mutex_unlock(&slot->lock);
}

#define _GNU_SOURCE /* epoll_pwait2, IP_BIND_ADDRESS_NO_PORT */
#include "tests/bench/load/worker.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES 16384
#define EVENTS_AT_ONCE 256
#define TICK_US 10000 /* time-outs are looked for, and failed connections tried again */

struct connection {
    int fd;                        /* -1: not open */
    const struct request *request; /* NULL: nothing under way */
    size_t sent;
    int64_t due, begun;
    bool is_resting; /* failed: free again at the next tick */
    size_t have;
    char answer[ANSWER_BYTES];
};

struct worker {
    const struct worker_plan *plan;
    struct worker_result *result;
    struct connection *connections;
    struct connection **free; /* a ring: all connections are used in turn */
    unsigned free_first, free_count;
    unsigned busy;
    uint64_t next_request, started;
    int epoll;
    int64_t next_tick;
};

int64_t worker_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void give_free(struct worker *w, struct connection *c)
{
    w->free[(w->free_first + w->free_count++) % w->plan->connections] = c;
}

static struct connection *take_free(struct worker *w)
{
    struct connection *c = w->free[w->free_first];
    w->free_first = (w->free_first + 1) % w->plan->connections;
    w->free_count--;
    return c;
}

/* ---- sockets ---- */

/* From one of many loopback addresses, so that short connections do not use up the ports
 * of one. Errors show when it is written to. */
static void open_socket(struct worker *w, struct connection *c)
{
    int on = 1;
    static _Atomic unsigned turn;
    struct sockaddr_in from = { .sin_family = AF_INET };
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % 200);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        perror("socket");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if ((ntohl(w->plan->server.sin_addr.s_addr) >> 24) == 127) {
        (void)bind(c->fd, (const struct sockaddr *)&from, sizeof from);
    }
    (void)connect(c->fd, (const struct sockaddr *)&w->plan->server,
                  sizeof w->plan->server);
    struct epoll_event interest = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = c };
    epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &interest);
}

static void close_socket(struct connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}

/* ---- one request ---- */

static void end_request(struct worker *w, struct connection *c)
{
    c->request = NULL;
    w->busy--;
}

static void fail(struct worker *w, struct connection *c, uint64_t *counter)
{
    (*counter)++;
    w->result->last_bad = worker_now();
    close_socket(c);
    end_request(w, c);
    c->is_resting = true;
}

static void count_answer(struct worker *w, const struct connection *c, unsigned status)
{
    int64_t now = worker_now();
    bool is_ok = status == 200;
    struct worker_result *r = w->result;
    r->statuses[status < WORKER_STATUSES ? status : 0]++;
    histogram_add(is_ok ? &r->ok : &r->other, now - c->due);
    histogram_add(is_ok ? &r->ok_sent : &r->other_sent, now - c->begun);
    r->last_answer = now;
    if (is_ok && r->first_ok == 0) {
        r->first_ok = now;
    }
    if (!is_ok) {
        r->last_bad = now;
    }
}

/* The value of a header, or NULL. */
static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strchr(head, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            return line + len + 1 + strspn(line + len + 1, " ");
        }
    }
    return NULL;
}

/* True when the answer is there as a whole; then its status, and whether the connection
 * stays. Answers of unknown length do not occur here and are never whole. */
static bool is_answered(struct connection *c, unsigned *status, bool *stays)
{
    c->answer[c->have] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    *end = '\0';
    const char *length = header(c->answer, "Content-Length");
    const char *connection = header(c->answer, "Connection");
    size_t whole = (size_t)(end - c->answer) + 4 +
                   (length != NULL ? strtoul(length, NULL, 10) : ANSWER_BYTES);
    *status = c->have > 12 ? (unsigned)strtoul(c->answer + 9, NULL, 10) : 0;
    *stays = connection == NULL || strncasecmp(connection, "close", 5) != 0;
    *end = '\r';
    return c->have >= whole;
}

static void read_answer(struct worker *w, struct connection *c)
{
    unsigned status;
    bool stays;
    for (;;) {
        ssize_t n = recv(c->fd, c->answer + c->have, sizeof c->answer - 1 - c->have, 0);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            fail(w, c, &w->result->broken);
            return;
        }
        c->have += (size_t)n;
        if (is_answered(c, &status, &stays)) {
            break;
        }
    }
    count_answer(w, c, status);
    if (!stays || w->plan->is_close || c->sent < c->request->len) {
        close_socket(c);
    }
    end_request(w, c);
    give_free(w, c);
}

/* Sends what is left, then reads; also called when an answer comes before all is sent. */
static void go_on(struct worker *w, struct connection *c)
{
    while (c->sent < c->request->len) {
        ssize_t n = send(c->fd, c->request->bytes + c->sent, c->request->len - c->sent,
                         MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN && errno != ENOTCONN && errno != EPIPE) {
                fail(w, c, &w->result->broken);
                return;
            }
            break;
        }
        c->sent += (size_t)n;
    }
    if (c->sent > 0) {
        read_answer(w, c);
    }
}

static void begin(struct worker *w, struct connection *c, int64_t due, int64_t now)
{
    const struct requests *all = w->plan->requests;
    c->request = &all->list[(w->plan->first_request + w->next_request++) % all->count];
    c->sent = 0;
    c->have = 0;
    c->due = due;
    c->begun = now;
    w->busy++;
    w->started++;
    if (c->fd < 0) {
        open_socket(w, c);
    }
    go_on(w, c);
}

static void on_event(struct worker *w, struct connection *c, uint32_t events)
{
    if (c->fd >= 0 && c->request != NULL) {
        go_on(w, c);
    } else if (c->fd >= 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        close_socket(c); /* closed while idle: opened again for the next request */
    }
}

/* ---- the loop ---- */

/* When the next request of an open loop is due. */
static int64_t next_due(const struct worker *w)
{
    return w->plan->start + (int64_t)((double)w->started / w->plan->rate * 1e6);
}

static void begin_what_is_due(struct worker *w)
{
    int64_t now = worker_now();
    if (now < w->plan->start || now >= w->plan->end) {
        return;
    }
    /* A fast server could answer within `begin`: never more than one turn of the ring. */
    for (unsigned turn = w->free_count; turn > 0 && w->free_count > 0; turn--) {
        int64_t due = w->plan->rate > 0 ? next_due(w) : now;
        if (due > now) {
            return;
        }
        begin(w, take_free(w), due, now);
    }
}

static void tick(struct worker *w)
{
    int64_t now = worker_now();
    if (now < w->next_tick) {
        return;
    }
    w->next_tick = now + TICK_US;
    for (unsigned i = 0; i < w->plan->connections; i++) {
        struct connection *c = &w->connections[i];
        if (c->request != NULL && now > c->begun + w->plan->timeout) {
            fail(w, c, &w->result->timed_out);
        } else if (c->is_resting) {
            c->is_resting = false;
            give_free(w, c);
        }
    }
}

static int64_t time_to_wait(const struct worker *w)
{
    int64_t now = worker_now();
    int64_t until = w->next_tick;
    if (now < w->plan->start) {
        until = w->plan->start;
    } else if (w->plan->rate > 0 && w->free_count > 0 && next_due(w) < until) {
        until = next_due(w);
    } else if (w->plan->rate <= 0 && w->free_count > 0 && now < w->plan->end) {
        until = now;
    }
    return until > now ? until - now : 0;
}

static void wait_and_serve(struct worker *w)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int64_t us = time_to_wait(w);
    struct timespec limit = { us / 1000000, us % 1000000 * 1000 };
    int count = epoll_pwait2(w->epoll, events, EVENTS_AT_ONCE, &limit, NULL);
    for (int i = 0; i < count; i++) {
        on_event(w, events[i].data.ptr, events[i].events);
    }
}

static void open_all(struct worker *w)
{
    for (unsigned i = 0; i < w->plan->connections; i++) {
        struct connection *c = &w->connections[i];
        c->fd = -1;
        if (!w->plan->is_close) {
            open_socket(w, c);
        }
        give_free(w, c);
    }
}

void worker_run(const struct worker_plan *plan, struct worker_result *result)
{
    struct worker w = { .plan = plan, .result = result };
    w.connections = calloc(plan->connections, sizeof *w.connections);
    w.free = calloc(plan->connections, sizeof(struct connection *));
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w.connections == NULL || w.free == NULL || w.epoll < 0) {
        perror("worker");
        exit(1);
    }
    open_all(&w);
    int64_t last = plan->end + plan->timeout;
    for (int64_t now = 0; now < plan->end || (w.busy > 0 && now < last);
         now = worker_now()) {
        begin_what_is_due(&w);
        wait_and_serve(&w);
        tick(&w);
    }
    if (plan->rate > 0) {
        uint64_t due = (uint64_t)((double)(plan->end - plan->start) * plan->rate / 1e6);
        result->unsent = due > w.started ? due - w.started : 0;
    }
    for (unsigned i = 0; i < plan->connections; i++) {
        close_socket(&w.connections[i]);
    }
    close(w.epoll);
    free(w.free);
    free(w.connections);
}

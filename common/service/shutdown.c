#include "common/service/shutdown.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/command.h"
#include "common/service/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* The shutdown flag: the one piece of mutable global state beside the log's. */
static atomic_bool is_requested;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t requested;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_condition(void)
{
    clock_cond_init(&requested);
}

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void shutdown_block_signals(void)
{
    sigset_t set;
    fill_signals(&set);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    REQUIRE(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

static const char *wait_for_signal(void)
{
    sigset_t set;
    int number = 0;
    fill_signals(&set);
    while (sigwait(&set, &number) != 0) {
    }
    return number == SIGTERM ? "SIGTERM" : "SIGINT";
}

/* Logs, because nobody called it who could: a thread that acts on its own. */
static void *watch_signals(void *unused)
{
    (void)unused;
    log_info("stop_requested", log_text("signal", wait_for_signal()));
    shutdown_request();
    log_warn("stopped_at_once", log_text("signal", wait_for_signal()));
    _exit(EXIT_WORK_LEFT);
}

bool shutdown_start(struct error *err)
{
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, watch_signals, NULL);
    if (failure != 0) {
        return error_set_errno(err, ERROR_FATAL, failure,
                               "cannot start the thread that waits for signals");
    }
    pthread_detach(thread);
    return true;
}

bool shutdown_is_requested(void)
{
    return atomic_load(&is_requested);
}

void shutdown_request(void)
{
    pthread_once(&once, init_condition);
    pthread_mutex_lock(&lock);
    atomic_store(&is_requested, true);
    pthread_cond_broadcast(&requested);
    pthread_mutex_unlock(&lock);
}

bool shutdown_wait(uint64_t timeout_ms)
{
    pthread_once(&once, init_condition);
    bool has_limit = timeout_ms <= INT64_MAX / 2;
    int64_t deadline_ms = clock_mono_ms() + (has_limit ? (int64_t)timeout_ms : 0);
    struct timespec deadline = clock_timespec(deadline_ms);
    int result = 0;
    pthread_mutex_lock(&lock);
    while (!atomic_load(&is_requested) && result != ETIMEDOUT) {
        result = has_limit ? pthread_cond_timedwait(&requested, &lock, &deadline)
                           : pthread_cond_wait(&requested, &lock);
    }
    pthread_mutex_unlock(&lock);
    return atomic_load(&is_requested);
}

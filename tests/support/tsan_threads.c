/* C11's threads as pthreads, for tests under the thread sanitizer only.
 *
 * librdkafka uses <threads.h>, which the sanitizers of gcc 12 and clang 14 do not know: a
 * thread made by thrd_create crashes in its first allocation, and locks taken by mtx_lock
 * are not seen, so that every hand-over to a callback of ours would look like a race. A
 * program that defines these functions itself has the library call them, and so the
 * sanitizer's own pthread functions. glibc's types are the same underneath.
 */
#include "common/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "mtx_t is a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "cnd_t is a pthread_cond_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "thrd_t is a pthread_t");
_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t),
               "once_flag is a pthread_once_t");

static pthread_mutex_t *mutex_of(mtx_t *mutex)
{
    return (pthread_mutex_t *)mutex;
}

static pthread_cond_t *condition_of(cnd_t *condition)
{
    return (pthread_cond_t *)condition;
}

static int result_of(int pthread_result)
{
    return pthread_result == 0           ? thrd_success
           : pthread_result == ETIMEDOUT ? thrd_timedout
           : pthread_result == EBUSY     ? thrd_busy
                                         : thrd_error;
}

struct start {
    thrd_start_t function;
    void *argument;
};

static void *run(void *context)
{
    struct start start = *(struct start *)context;
    free(context);
    return (void *)(intptr_t)start.function(start.argument);
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): glibc's are reserved
 * names */

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
    struct start *start = mem_alloc(sizeof *start);
    *start = (struct start){ function, argument };
    int result = pthread_create(thread, NULL, run, start);
    if (result != 0) {
        free(start);
    }
    return result_of(result);
}

int thrd_join(thrd_t thread, int *out_result)
{
    void *returned = NULL;
    int result = pthread_join(thread, &returned);
    if (out_result != NULL) {
        *out_result = (int)(intptr_t)returned;
    }
    return result_of(result);
}

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    bool is_recursive = (type & mtx_recursive) != 0;
    pthread_mutexattr_settype(&attributes, is_recursive ? PTHREAD_MUTEX_RECURSIVE
                                                        : PTHREAD_MUTEX_NORMAL);
    int result = pthread_mutex_init(mutex_of(mutex), &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result_of(result);
}

void mtx_destroy(mtx_t *mutex)
{
    pthread_mutex_destroy(mutex_of(mutex));
}

int mtx_lock(mtx_t *mutex)
{
    return result_of(pthread_mutex_lock(mutex_of(mutex)));
}

int mtx_unlock(mtx_t *mutex)
{
    return result_of(pthread_mutex_unlock(mutex_of(mutex)));
}

int cnd_init(cnd_t *condition)
{
    return result_of(pthread_cond_init(condition_of(condition), NULL));
}

void cnd_destroy(cnd_t *condition)
{
    pthread_cond_destroy(condition_of(condition));
}

int cnd_signal(cnd_t *condition)
{
    return result_of(pthread_cond_signal(condition_of(condition)));
}

int cnd_broadcast(cnd_t *condition)
{
    return result_of(pthread_cond_broadcast(condition_of(condition)));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return result_of(pthread_cond_wait(condition_of(condition), mutex_of(mutex)));
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *deadline)
{
    return result_of(
        pthread_cond_timedwait(condition_of(condition), mutex_of(mutex), deadline));
}

void call_once(once_flag *flag, void (*function)(void))
{
    pthread_once((pthread_once_t *)flag, function);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* IOV_MAX is in POSIX only with its XSI option. */
#define _XOPEN_SOURCE 700

#include "ingest/durable/spool_write.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

/* Behind the first `done` bytes; returns how many pieces are over. */
static int skip(struct iovec *parts, int count, size_t done)
{
    int over = 0;
    while (over < count && done >= parts[over].iov_len) {
        done -= parts[over].iov_len;
        over++;
    }
    if (over < count) {
        parts[over].iov_base = (char *)parts[over].iov_base + done;
        parts[over].iov_len -= done;
    }
    return over;
}

bool spool_write_all(int fd, struct iovec *parts, int count)
{
    int at = skip(parts, count, 0); /* empty pieces */
    while (at < count) {
        int at_once = count - at < IOV_MAX ? count - at : IOV_MAX;
        ssize_t done = writev(fd, parts + at, at_once);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        at += skip(parts + at, count - at, done < 0 ? 0 : (size_t)done);
    }
    return true;
}

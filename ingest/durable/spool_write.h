/* spool_write: writing all of several pieces to a file. Any thread. */
#ifndef INGEST_DURABLE_SPOOL_WRITE_H
#define INGEST_DURABLE_SPOOL_WRITE_H

#include "common/base/error.h"

#include <sys/uio.h>

/* Writes every piece at the file's position, however many calls that takes; changes the
 * array. False: errno says why, and an unknown part is written. */
MUST_CHECK bool spool_write_all(int fd, struct iovec *parts, int count);

#endif

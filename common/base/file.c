#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CHUNK_BYTES 16384

/* Until the end, or one byte more than allowed; 0 or an errno. */
static int read_all(int fd, size_t limit, struct buf *out)
{
    size_t done = 0;
    while (done <= limit) {
        ssize_t got = read(fd, buf_reserve(out, CHUNK_BYTES), CHUNK_BYTES);
        if (got == 0) {
            return 0;
        }
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        done += got < 0 ? 0 : (size_t)got;
        out->len += got < 0 ? 0 : (size_t)got;
    }
    return EFBIG;
}

bool file_read(const char *path, size_t max_bytes, struct buf *out, struct error *err)
{
    size_t before = out->len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int failure = fd < 0 ? errno : read_all(fd, max_bytes, out);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (failure == 0) {
        return true;
    }
    out->len = before;
    return error_set_errno(err, ERROR_INVALID, failure, "cannot read the file '%s'",
                           path);
}

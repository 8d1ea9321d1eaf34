#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Copies what fits of `text`; cuts between characters, never inside of one. */
static void copy_cut(char *out, size_t out_bytes, const char *text)
{
    size_t len = strlen(text);
    if (len >= out_bytes) {
        len = out_bytes - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    memmove(out, text, len);
    out[len] = '\0';
}

/* Texts are composed here first: their arguments may point into *err itself. One
 * character more than fits, so that copy_cut sees whether a character was cut. */
struct composed {
    char text[ERROR_TEXT_BYTES + 4];
};

bool error_set(struct error *err, enum error_class class, enum error_origin origin,
               const char *code, const char *format, ...)
{
    struct composed composed;
    va_list args;
    va_start(args, format);
    vsnprintf(composed.text, sizeof composed.text, format, args);
    va_end(args);

    err->class = class;
    err->origin = origin;
    copy_cut(err->code, sizeof err->code, code == NULL ? "" : code);
    copy_cut(err->text, sizeof err->text, composed.text);
    return false;
}

static const struct {
    int value;
    const char *name;
} errno_names[] = {
    { EACCES, "EACCES" },
    { EADDRINUSE, "EADDRINUSE" },
    { EADDRNOTAVAIL, "EADDRNOTAVAIL" },
    { EAGAIN, "EAGAIN" },
    { EBADF, "EBADF" },
    { EBUSY, "EBUSY" },
    { ECONNREFUSED, "ECONNREFUSED" },
    { ECONNRESET, "ECONNRESET" },
    { EDQUOT, "EDQUOT" },
    { EEXIST, "EEXIST" },
    { EFBIG, "EFBIG" },
    { EINTR, "EINTR" },
    { EINVAL, "EINVAL" },
    { EIO, "EIO" },
    { EISDIR, "EISDIR" },
    { ELOOP, "ELOOP" },
    { EMFILE, "EMFILE" },
    { ENAMETOOLONG, "ENAMETOOLONG" },
    { ENFILE, "ENFILE" },
    { ENODEV, "ENODEV" },
    { ENOENT, "ENOENT" },
    { ENOMEM, "ENOMEM" },
    { ENOSPC, "ENOSPC" },
    { ENOTDIR, "ENOTDIR" },
    { ENOTEMPTY, "ENOTEMPTY" },
    { EPERM, "EPERM" },
    { EPIPE, "EPIPE" },
    { EROFS, "EROFS" },
    { ETIMEDOUT, "ETIMEDOUT" },
};

/* Without the GNU extensions no function gives "ENOENT" for 2. */
static void name_errno(int errno_value, char out[ERROR_CODE_BYTES])
{
    for (size_t i = 0; i < sizeof errno_names / sizeof errno_names[0]; i++) {
        if (errno_names[i].value == errno_value) {
            copy_cut(out, ERROR_CODE_BYTES, errno_names[i].name);
            return;
        }
    }
    snprintf(out, ERROR_CODE_BYTES, "errno %d", errno_value);
}

bool error_set_errno(struct error *err, enum error_class class, int errno_value,
                     const char *format, ...)
{
    struct composed composed;
    va_list args;
    va_start(args, format);
    vsnprintf(composed.text, sizeof composed.text, format, args);
    va_end(args);

    char code[ERROR_CODE_BYTES];
    char why[128];
    name_errno(errno_value, code);
    if (strerror_r(errno_value, why, sizeof why) != 0) {
        copy_cut(why, sizeof why, code);
    }
    return error_set(err, class, ERROR_FROM_SYSTEM, code, "%s: %s", composed.text, why);
}

bool error_prefix(struct error *err, const char *format, ...)
{
    struct composed prefix;
    va_list args;
    va_start(args, format);
    vsnprintf(prefix.text, sizeof prefix.text, format, args);
    va_end(args);
    return error_set(err, err->class, err->origin, err->code, "%s: %s", prefix.text,
                     err->text);
}

const char *error_class_name(enum error_class class)
{
    switch (class) {
    case ERROR_INVALID:
        return "invalid";
    case ERROR_BUSY:
        return "busy";
    case ERROR_RETRY:
        return "retry";
    case ERROR_FATAL:
        return "fatal";
    case ERROR_STOPPED:
        return "stopped";
    }
    return "unknown";
}

const char *error_origin_name(enum error_origin origin)
{
    switch (origin) {
    case ERROR_FROM_SELF:
        return "self";
    case ERROR_FROM_SYSTEM:
        return "system";
    case ERROR_FROM_HTTP:
        return "http";
    case ERROR_FROM_JSON:
        return "json";
    case ERROR_FROM_KAFKA:
        return "kafka";
    case ERROR_FROM_POSTGRES:
        return "postgres";
    }
    return "unknown";
}

/* error: why something could not be done, as a plain value.
 *
 * A fallible function returns bool (true = done), is MUST_CHECK, and takes `struct error
 * *err` last; its outputs are untouched on failure. The struct lives on the caller's
 * stack, never allocates, and cannot itself fail. Control flow looks at the class only;
 * origin, code and text are for people.
 */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at)                                                  \
    __attribute__((format(printf, format_at, args_at)))

enum error_class {
    ERROR_INVALID, /* this input can never succeed: refuse or reject it */
    ERROR_BUSY,    /* a limit is reached: answer 429 or 503, pause */
    ERROR_RETRY,   /* transient: back off and try the same again */
    ERROR_FATAL,   /* cannot go on: end the process */
    ERROR_STOPPED, /* we were asked to stop */
};

enum error_origin {
    ERROR_FROM_SELF,
    ERROR_FROM_SYSTEM, /* code: errno's name */
    ERROR_FROM_HTTP,
    ERROR_FROM_JSON,
    ERROR_FROM_KAFKA,    /* code: librdkafka's error name */
    ERROR_FROM_POSTGRES, /* code: SQLSTATE */
};

#define ERROR_CODE_BYTES 40
#define ERROR_TEXT_BYTES 512

struct error {
    enum error_class class;
    enum error_origin origin;
    char code[ERROR_CODE_BYTES];
    char text[ERROR_TEXT_BYTES];
};

/* Fills *err and returns false, so that callers can `return error_set(..)`. `code` may be
 * NULL. Texts longer than the struct holds are cut between characters; arguments may
 * point into *err itself. */
bool error_set(struct error *err, enum error_class class, enum error_origin origin,
               const char *code, const char *format, ...) PRINTF_LIKE(5, 6);

/* The same from an errno value: code and text name it, `format` says what was done. */
bool error_set_errno(struct error *err, enum error_class class, int errno_value,
                     const char *format, ...) PRINTF_LIKE(4, 5);

/* Puts "prefix: " before the text of an error that is passed on; returns false. */
bool error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* "invalid", "busy", ..: the word for logs and metric labels. */
const char *error_class_name(enum error_class class);

/* "kafka", "postgres", ..: the word for logs. */
const char *error_origin_name(enum error_origin origin);

#endif

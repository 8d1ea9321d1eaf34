/* contains: an assertion on a part of a text that shows the whole text when it fails. */
#ifndef TESTS_SUPPORT_CONTAINS_H
#define TESTS_SUPPORT_CONTAINS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Fails the test unless `part` is somewhere in `text`. */
static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is missing in:\n%s", part, text);
    }
}

#endif

#include "common/service/findings.h"

#include "common/service/command.h"

#include <json-c/json.h>

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_BYTES 2048 /* a topic's differences, each with its command */

void findings_begin(struct findings *f, bool json)
{
    f->list = json ? json_object_new_array() : NULL;
    f->all_ok = true;
}

static void add_json(struct findings *f, const char *what, bool ok, const char *message)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "what", json_object_new_string(what));
    json_object_object_add(o, "ok", json_object_new_boolean(ok));
    json_object_object_add(o, "message", json_object_new_string(message));
    json_object_array_add(f->list, o);
}

void findings_add(struct findings *f, const char *what, bool ok, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    f->all_ok = f->all_ok && ok;
    if (f->list != NULL) {
        add_json(f, what, ok, message);
    } else {
        printf("%-8s %-14s %s\n", ok ? "ok" : "problem", what, message);
    }
}

int findings_end(struct findings *f)
{
    if (f->list != NULL) {
        json_object *document = json_object_new_object();
        json_object_object_add(document, "ok", json_object_new_boolean(f->all_ok));
        json_object_object_add(document, "findings", f->list);
        printf("%s\n",
               json_object_to_json_string_ext(
                   document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(document);
    }
    bool is_printed = fflush(stdout) == 0;
    return f->all_ok && is_printed ? EXIT_DONE : EXIT_FAILED;
}

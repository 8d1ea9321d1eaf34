#include "common/service/option_value.h"

#include "common/base/error.h"
#include "common/base/escape.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <stdio.h>
#include <stdlib.h>

/* Enough of a refused value to recognise it. */
#define SHOWN_VALUE_BYTES 100

void option_value_flag(const struct option_table *table, const struct option *o,
                       char out[OPTION_FLAG_BYTES])
{
    struct view name = view_cstr(o->env);
    struct view prefix = view_cstr(table->env_prefix);
    if (view_starts_with(name, prefix)) {
        name = view_skip(name, prefix.len);
    }
    REQUIRE(name.len < OPTION_FLAG_BYTES);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_upper = c >= 'A' && c <= 'Z';
        out[i] = (char)(c == '_' ? '-' : is_upper ? c - 'A' + 'a' : c);
    }
    out[name.len] = '\0';
}

void *option_value_member(const struct option *o, void *config)
{
    return (char *)config + o->offset;
}

const void *option_value_member_const(const struct option *o, const void *config)
{
    return (const char *)config + o->offset;
}

static void set_text(const struct option *o, void *config, struct view text)
{
    char **member = option_value_member(o, config);
    free(*member);
    *member = mem_strdup_view(text);
}

static bool parse_number(const struct option *o, struct view text, uint64_t *out,
                         struct error *err)
{
    uint64_t value = 0;
    bool is_parsed = o->type == OPTION_DURATION ? parse_duration_ms(text, &value, err)
                     : o->type == OPTION_SIZE   ? parse_size_bytes(text, &value, err)
                                                : parse_u64(text, &value, err);
    if (!is_parsed) {
        return false;
    }
    if (value < o->min || (o->max != 0 && value > o->max)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "%s",
                         value < o->min ? "too small" : "too large");
    }
    *out = value;
    return true;
}

static bool parse_choice(const struct option *o, struct view text, unsigned *out,
                         struct error *err)
{
    for (unsigned i = 0; o->choices[i] != NULL; i++) {
        if (view_equal_cstr(text, o->choices[i])) {
            *out = i;
            return true;
        }
    }
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "no such choice");
}

static bool parse_switch(struct view text, bool *out, struct error *err)
{
    bool is_on = view_equal_cstr(text, "1") || view_equal_cstr(text, "true");
    if (!is_on && !view_equal_cstr(text, "0") && !view_equal_cstr(text, "false")) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "neither true nor false");
    }
    *out = is_on;
    return true;
}

/* One address, or each of a list. */
static bool check_listen(const struct option *o, struct view text, struct error *err)
{
    bool is_good = true;
    bool is_over = false;
    while (is_good && !is_over) {
        struct view host;
        uint16_t port = 0;
        const char *comma =
            o->is_list && text.len > 0 ? memchr(text.data, ',', text.len) : NULL;
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.data);
        is_good = parse_host_port(view_trim(view_of(text.data, len)), &host, &port, err);
        is_over = comma == NULL;
        text = view_skip(text, is_over ? len : len + 1);
    }
    return is_good;
}

static bool set_value(const struct option *o, void *config, struct view text,
                      struct error *err)
{
    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "it holds a NUL byte");
    }
    switch (o->type) {
    case OPTION_TEXT:
        set_text(o, config, text);
        return true;
    case OPTION_LISTEN:
        if (!check_listen(o, text, err)) {
            return false;
        }
        set_text(o, config, text);
        return true;
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_COUNT:
        return parse_number(o, text, option_value_member(o, config), err);
    case OPTION_CHOICE:
        return parse_choice(o, text, option_value_member(o, config), err);
    case OPTION_SWITCH:
        return parse_switch(text, option_value_member(o, config), err);
    }
    return error_set(err, ERROR_FATAL, ERROR_FROM_SELF, NULL, "unknown option type");
}

static void add_number(const struct option *o, uint64_t value, struct buf *out)
{
    char text[32];
    if (o->type == OPTION_DURATION) {
        parse_format_duration(value, text);
    } else if (o->type == OPTION_SIZE) {
        parse_format_size(value, text);
    } else {
        snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    }
    buf_add_cstr(out, text);
}

static void describe_number(const struct option *o, const char *what, struct buf *out)
{
    buf_add_cstr(out, what);
    if (o->max != 0) {
        buf_add_cstr(out, " from ");
        add_number(o, o->min, out);
        buf_add_cstr(out, " to ");
        add_number(o, o->max, out);
    } else if (o->min != 0) {
        buf_add_cstr(out, " of at least ");
        add_number(o, o->min, out);
    }
}

void option_value_describe(const struct option *o, struct buf *out)
{
    switch (o->type) {
    case OPTION_TEXT:
        buf_add_cstr(out, o->value_name == NULL ? "text" : o->value_name);
        break;
    case OPTION_LISTEN:
        buf_add_cstr(out, o->is_list ? "ADDRESS:PORT,.." : "ADDRESS:PORT");
        break;
    case OPTION_DURATION:
        describe_number(o, "a duration", out);
        break;
    case OPTION_SIZE:
        describe_number(o, "a size", out);
        break;
    case OPTION_COUNT:
        describe_number(o, "a whole number", out);
        break;
    case OPTION_CHOICE:
        for (size_t i = 0; o->choices[i] != NULL; i++) {
            bool is_last = o->choices[i + 1] == NULL;
            buf_printf(out, "%s%s", i == 0 ? "" : is_last ? " or " : ", ", o->choices[i]);
        }
        break;
    case OPTION_SWITCH:
        buf_add_cstr(out, "true or false");
        break;
    }
}

/* A value that would do: the default, else one within the limits. */
static void add_example(const struct option *o, struct buf *out)
{
    if (o->fallback != NULL) {
        buf_add_cstr(out, o->fallback);
        return;
    }
    switch (o->type) {
    case OPTION_TEXT:
        buf_add_cstr(out, o->value_name == NULL ? "text" : o->value_name);
        break;
    case OPTION_LISTEN:
        buf_add_cstr(out, "127.0.0.1:8080");
        break;
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_COUNT:
        add_number(o, o->max != 0 ? o->max : o->min != 0 ? o->min : 1000, out);
        break;
    case OPTION_CHOICE:
        buf_add_cstr(out, o->choices[0]);
        break;
    case OPTION_SWITCH:
        buf_add_cstr(out, "true");
        break;
    }
}

void option_value_set(const struct option *o, void *config, const char *name,
                      struct view text, struct buf *mistakes)
{
    struct error err;
    if (set_value(o, config, text, &err)) {
        return;
    }
    buf_printf(mistakes, "%s: '", name);
    if (o->is_secret) {
        buf_add_cstr(mistakes, "***");
    } else {
        escape_add_text(mistakes, text, SHOWN_VALUE_BYTES);
    }
    buf_printf(mistakes, "' is refused (%s): use ", err.text);
    option_value_describe(o, mistakes);
    buf_add_cstr(mistakes, ", for example ");
    add_example(o, mistakes);
    buf_add_char(mistakes, '\n');
}

void option_value_show(const struct option *o, const void *config, struct buf *out)
{
    const void *member = option_value_member_const(o, config);
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_LISTEN: {
        const char *text = *(char *const *)member;
        buf_add_cstr(out, o->is_secret && text != NULL ? "***" : text);
        break;
    }
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_COUNT:
        add_number(o, *(const uint64_t *)member, out);
        break;
    case OPTION_CHOICE:
        buf_add_cstr(out, o->choices[*(const unsigned *)member]);
        break;
    case OPTION_SWITCH:
        buf_add_cstr(out, *(const bool *)member ? "true" : "false");
        break;
    }
}

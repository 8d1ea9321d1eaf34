#include "common/service/log.h"
#include "common/service/option_value.h"
#include "common/service/options.h"

#include <stdio.h>
#include <string.h>

#define HELP_WIDTH 100
#define HELP_INDENT 36

/* What follows the flag in --help: "DIR", "DURATION", ..; "" for switches. */
static const char *value_name(const struct option *o)
{
    if (o->value_name != NULL) {
        return o->value_name;
    }
    switch (o->type) {
    case OPTION_TEXT:
        return "TEXT";
    case OPTION_DURATION:
        return "DURATION";
    case OPTION_SIZE:
        return "SIZE";
    case OPTION_COUNT:
        return "COUNT";
    case OPTION_CHOICE:
        return "CHOICE";
    case OPTION_LISTEN:
        return "ADDRESS:PORT";
    case OPTION_SWITCH:
        return "";
    }
    return "";
}

/* "--spool-dir DIR"; a secret has no flag but its file variant's. */
static void add_flag(const struct option_table *table, const struct option *o,
                     struct buf *out)
{
    char flag[OPTION_FLAG_BYTES];
    option_value_flag(table, o, flag);
    const char *value = value_name(o);
    if (o->is_secret && o->has_file_variant) {
        buf_printf(out, "--%s-file FILE", flag);
        return;
    }
    if (o->is_secret) {
        buf_add_cstr(out, "(environment only)");
        return;
    }
    buf_printf(out, "--%s%s%s", flag, value[0] == '\0' ? "" : " ", value);
}

/* Limits and choices, where the value's name does not say them. */
static void add_accepted(const struct option *o, struct buf *out)
{
    bool has_limit = o->max != 0 || o->min != 0;
    if (o->type == OPTION_CHOICE || has_limit) {
        buf_add_cstr(out, "; ");
        option_value_describe(o, out);
    }
}

/* The sentence, then in brackets what is accepted, the environment's name and the
 * default. */
static void add_meaning(const struct option_table *table, const struct option *o,
                        struct buf *out)
{
    buf_add_cstr(out, o->help);
    add_accepted(o, out);
    if (table->env_prefix != NULL) {
        buf_printf(out, " [%s%s", o->env, o->has_file_variant ? " or .._FILE" : "");
        buf_printf(out, "%s%s]", o->fallback == NULL ? "" : ", default ",
                   o->fallback == NULL ? "" : o->fallback);
    } else if (o->fallback != NULL) {
        buf_printf(out, " [default %s]", o->fallback);
    }
}

static void add_spaces(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_add_char(out, ' ');
    }
}

/* Writes `text` in lines of HELP_WIDTH, the first of which already holds `column`
 * characters. */
static void add_wrapped(struct buf *out, size_t column, struct view text)
{
    while (text.len > 0) {
        const char *space = memchr(text.data, ' ', text.len);
        size_t len = space == NULL ? text.len : (size_t)(space - text.data);
        if (column > HELP_INDENT && column + 1 + len > HELP_WIDTH) {
            buf_add_char(out, '\n');
            column = 0;
        }
        size_t gap = column < HELP_INDENT    ? HELP_INDENT - column
                     : column == HELP_INDENT ? 0
                                             : 1;
        add_spaces(out, gap);
        buf_add(out, text.data, len);
        column += gap + len;
        text = view_skip(text, space == NULL ? len : len + 1);
    }
    buf_add_char(out, '\n');
}

void options_write_help(const struct option_table *table, struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *o = &table->options[i];
        struct buf flag = { 0 };
        struct buf meaning = { 0 };
        buf_add_cstr(&flag, "  ");
        add_flag(table, o, &flag);
        add_meaning(table, o, &meaning);
        buf_add_view(out, buf_view(&flag));
        size_t column = flag.len;
        if (column + 2 > HELP_INDENT) {
            buf_add_char(out, '\n');
            column = 0;
        }
        add_wrapped(out, column, buf_view(&meaning));
        buf_release(&flag);
        buf_release(&meaning);
    }
}

/* A cell's text: a bar would end the cell. */
static void add_cell(struct buf *out, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        buf_add_cstr(out, text.data[i] == '|' ? "\\" : "");
        buf_add_char(out, text.data[i]);
    }
}

void options_write_markdown(const struct option_table *table, struct buf *out)
{
    buf_add_cstr(out, "| environment | flag | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct option *o = &table->options[i];
        struct buf text = { 0 };
        buf_printf(out, "| `%s`", o->env);
        if (o->has_file_variant) {
            buf_printf(out, " or `%s_FILE`", o->env);
        }
        add_flag(table, o, &text);
        buf_add_cstr(out, " | `");
        add_cell(out, buf_view(&text));
        buf_add_cstr(out, "` | ");
        const char *quote = o->fallback == NULL ? "" : "`";
        buf_printf(out, "%s%s%s | ", quote, o->fallback == NULL ? "" : o->fallback,
                   quote);
        buf_clear(&text);
        buf_add_cstr(&text, o->help);
        add_accepted(o, &text);
        add_cell(out, buf_view(&text));
        buf_add_cstr(out, " |\n");
        buf_release(&text);
    }
}

void options_log(const struct option_table *table, const void *config)
{
    for (size_t i = 0; log_enabled(LOG_DEBUG) && i < table->count; i++) {
        const struct option *o = &table->options[i];
        struct buf value = { 0 };
        option_value_show(o, config, &value);
        log_debug("configuration", log_text("option", o->env),
                  log_view("value", buf_view(&value)));
        buf_release(&value);
    }
}

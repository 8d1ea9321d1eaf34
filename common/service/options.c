#include "common/service/options.h"

#include "common/base/escape.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/service/nearest.h"
#include "common/service/option_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* POSIX leaves the declaration to programs. */
extern char **environ;

#define NAME_BYTES 96
#define FILE_SUFFIX "_FILE"

/* Passwords, keys and database URLs are far shorter; a longer file is the wrong file. */
#define SECRET_FILE_MAX_BYTES 65536

static void name_with_suffix(const char *name, const char *suffix, char out[NAME_BYTES])
{
    int len = snprintf(out, NAME_BYTES, "%s%s", name, suffix);
    REQUIRE(len > 0 && len < NAME_BYTES);
}

/* An empty variable counts as unset: compose files pass "NAME=" for what the user left
 * out. */
static const char *environment_value(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static char **kept_path(const struct option *o, void *config)
{
    return (char **)(void *)((char *)config + o->file_offset);
}

static void keep_path(const struct option *o, void *config, const char *path)
{
    if (o->file_offset > 0) {
        free(*kept_path(o, config));
        *kept_path(o, config) = mem_strdup(path);
    }
}

static void set_from_file(const struct option *o, void *config, const char *name,
                          const char *path, struct buf *mistakes)
{
    struct buf content = { 0 };
    struct error err;
    if (!file_read(path, SECRET_FILE_MAX_BYTES, &content, &err)) {
        buf_printf(mistakes, "%s: ", name);
        escape_add_text(mistakes, view_cstr(err.text), sizeof err.text);
        buf_add_char(mistakes, '\n');
        buf_release(&content);
        return;
    }
    while (content.len > 0 && strchr("\r\n", content.data[content.len - 1]) != NULL) {
        content.len--;
    }
    if (content.len == 0) {
        /* Half-written or the wrong one: its default would be in force silently. */
        buf_printf(mistakes, "%s: the file '", name);
        escape_add_text(mistakes, view_cstr(path), NAME_BYTES);
        buf_add_cstr(mistakes, "' is empty: write the value into it\n");
    } else {
        option_value_set(o, config, name, buf_view(&content), mistakes);
        keep_path(o, config, path);
    }
    buf_release(&content);
}

static void read_variable(const struct option *o, void *config, struct buf *mistakes)
{
    char file_name[NAME_BYTES];
    name_with_suffix(o->env, FILE_SUFFIX, file_name);
    const char *value = environment_value(o->env);
    const char *path = o->has_file_variant ? environment_value(file_name) : NULL;
    if (value != NULL && path != NULL) {
        buf_printf(mistakes, "%s: %s is set too: unset one of them\n", o->env, file_name);
    } else if (value != NULL) {
        option_value_set(o, config, o->env, view_cstr(value), mistakes);
    } else if (path != NULL) {
        set_from_file(o, config, file_name, path, mistakes);
    }
}

/* Kubernetes describes a Service named "ingest" to all pods near it as
 * INGEST_SERVICE_HOST, INGEST_PORT, INGEST_PORT_8080_TCP_ADDR and so on: those are
 * nobody's typing errors. */
static bool is_service_link(const char *name, const char *value)
{
    bool is_service =
        strstr(name, "_SERVICE_HOST") != NULL || strstr(name, "_SERVICE_PORT") != NULL;
    bool is_url = strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0;
    const char *port = strstr(name, "_PORT_");
    bool is_port =
        port != NULL && (strstr(port, "_TCP") != NULL || strstr(port, "_UDP") != NULL);
    return is_service || is_url || is_port;
}

/* What scripts call the programs and their addresses by: INGEST_BIN, LOADER_ADMIN_URL.
 * The local stack's env file has them, and sourcing it must not stop the programs. */
static bool is_script_variable(const char *behind_prefix)
{
    return strcmp(behind_prefix, "BIN") == 0 || strcmp(behind_prefix, "URL") == 0 ||
           strcmp(behind_prefix, "ADMIN_URL") == 0;
}

/* True when `name` is a variable of the table; offers the table's names to `n`. */
static bool is_known_variable(const struct option_table *table, const char *name,
                              struct nearest *n)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *o = &table->options[i];
        char file_name[NAME_BYTES];
        name_with_suffix(o->env, FILE_SUFFIX, file_name);
        if (strcmp(name, o->env) == 0 ||
            (o->has_file_variant && strcmp(name, file_name) == 0)) {
            return true;
        }
        nearest_offer(n, o->env);
    }
    return false;
}

/* A variable with our prefix that no option knows is nearly always a typing error, and
 * would otherwise leave the default in force silently. */
static void report_unknown_variables(const struct option_table *table,
                                     struct buf *mistakes)
{
    struct view prefix = view_cstr(table->env_prefix);
    for (char **entry = environ; *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        if (equals == NULL || !view_starts_with(view_cstr(*entry), prefix)) {
            continue;
        }
        char *name = mem_strdup_view(view_of(*entry, (size_t)(equals - *entry)));
        struct nearest n;
        nearest_init(&n, name);
        if (!is_known_variable(table, name, &n) && !is_service_link(name, equals + 1) &&
            !is_script_variable(name + prefix.len)) {
            buf_add_char(mistakes, '\'');
            escape_add_text(mistakes, view_cstr(name), NAME_BYTES);
            buf_printf(mistakes, "' in the environment is no option: %s%s\n",
                       n.name[0] == '\0' ? "unset it, or see --help" : "did you mean ",
                       n.name[0] == '\0' ? "" : n.name);
        }
        free(name);
    }
}

void options_read_environment(const struct option_table *table, void *config,
                              struct buf *mistakes)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *o = &table->options[i];
        if (o->fallback != NULL) {
            size_t before = mistakes->len;
            option_value_set(o, config, o->env, view_cstr(o->fallback), mistakes);
            REQUIRE(mistakes->len ==
                    before); /* a default of ours that our own limits refuse */
        }
        if (table->env_prefix != NULL) {
            read_variable(o, config, mistakes);
        }
    }
    if (table->env_prefix != NULL) {
        report_unknown_variables(table, mistakes);
    }
}

/* A flag as typed, taken apart. */
struct typed_flag {
    struct view name;  /* without "--" */
    const char *value; /* behind '='; NULL: none */
};

static bool take_apart(const char *arg, struct typed_flag *out)
{
    if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0') {
        return false;
    }
    const char *equals = strchr(arg, '=');
    size_t len = equals == NULL ? strlen(arg + 2) : (size_t)(equals - (arg + 2));
    *out =
        (struct typed_flag){ view_of(arg + 2, len), equals == NULL ? NULL : equals + 1 };
    return true;
}

/* Which option a flag names; *out_is_file: by its "-file" variant. */
static const struct option *find_flag(const struct option_table *table, struct view name,
                                      bool *out_is_file)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *o = &table->options[i];
        char flag[OPTION_FLAG_BYTES];
        char file_flag[NAME_BYTES];
        option_value_flag(table, o, flag);
        name_with_suffix(flag, "-file", file_flag);
        *out_is_file = o->has_file_variant && view_equal_cstr(name, file_flag);
        if (*out_is_file || view_equal_cstr(name, flag)) {
            return o;
        }
    }
    return NULL;
}

static void refuse_secret(const struct option *o, const char *name, struct buf *mistakes)
{
    buf_printf(mistakes,
               "%s: a secret is not taken from a flag, where others see it: set %s", name,
               o->env);
    if (o->has_file_variant) {
        buf_printf(mistakes, " or %s" FILE_SUFFIX, o->env);
    }
    buf_add_cstr(mistakes, " in the environment\n");
}

bool options_read_flag(const struct option_table *table, void *config, int argc,
                       char *const *argv, int *index, struct buf *mistakes)
{
    struct typed_flag typed;
    bool is_file = false;
    if (!take_apart(argv[*index], &typed)) {
        return false;
    }
    const struct option *o = find_flag(table, typed.name, &is_file);
    if (o == NULL) {
        return false;
    }
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "--%.*s", VIEW_ARG(typed.name));
    ++*index;
    const char *value = typed.value;
    if (value == NULL && o->type == OPTION_SWITCH) {
        value = "true";
    } else if (value == NULL && *index < argc && strncmp(argv[*index], "--", 2) != 0) {
        value = argv[(*index)++];
    }
    if (o->is_secret && !is_file) {
        refuse_secret(o, name, mistakes);
    } else if (value == NULL) {
        buf_printf(mistakes, "%s: the value is missing: use ", name);
        option_value_describe(o, mistakes);
        buf_add_char(mistakes, '\n');
    } else if (is_file) {
        set_from_file(o, config, name, value, mistakes);
    } else {
        option_value_set(o, config, name, view_cstr(value), mistakes);
    }
    return true;
}

void options_offer_flags(const struct option_table *table, struct nearest *n)
{
    for (size_t i = 0; i < table->count; i++) {
        if (!table->options[i].is_secret) {
            char flag[OPTION_FLAG_BYTES];
            option_value_flag(table, &table->options[i], flag);
            nearest_offer(n, flag);
        }
    }
}

void options_check_required(const struct option_table *table, const void *config,
                            struct buf *mistakes)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *o = &table->options[i];
        if (!o->is_required) {
            continue;
        }
        struct buf shown = { 0 };
        option_value_show(o, config, &shown);
        if (shown.len == 0) {
            buf_printf(mistakes, "%s%s: a value is required: use ",
                       table->env_prefix == NULL ? "--" : "", o->env);
            option_value_describe(o, mistakes);
            buf_add_char(mistakes, '\n');
        }
        buf_release(&shown);
    }
}

void options_release(const struct option_table *table, void *config)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *o = &table->options[i];
        if (o->type == OPTION_TEXT || o->type == OPTION_LISTEN) {
            char **member = option_value_member(o, config);
            free(*member);
            *member = NULL;
        }
        if (o->file_offset > 0) {
            free(*kept_path(o, config));
            *kept_path(o, config) = NULL;
        }
    }
}

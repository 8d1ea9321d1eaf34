#include "common/service/command.h"

#include "common/base/escape.h"
#include "common/base/mem.h"
#include "common/service/command_help.h"
#include "common/service/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Enough of a mistyped word to recognise it. */
#define SHOWN_WORD_BYTES 100

/* The command line while it is read. */
struct command_line {
    const struct program *program;
    const struct command *command; /* NULL until named */
    void *config;
    void *flags;
    char **args;
    int arg_count;
    bool json;
    bool flags_have_ended; /* "--" was seen */
    struct buf mistakes;
};

/* Everything that a person reads goes out here; false when nobody can (full disk, closed
 * stream). */
static bool print(FILE *stream, const struct buf *text)
{
    bool is_written = fwrite(text->data, 1, text->len, stream) == text->len;
    return fflush(stream) == 0 && is_written;
}

static bool is_flag(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0';
}

static const struct command *find_exact(const struct program *program, const char *name)
{
    for (size_t i = 0; i < program->command_count; i++) {
        if (strcmp(program->commands[i].name, name) == 0) {
            return &program->commands[i];
        }
    }
    return NULL;
}

/* The command that argv[index] and perhaps the word behind it name; NULL: none. */
static const struct command *find_command(const struct program *program, int argc,
                                          char *const *argv, int index, int *out_words)
{
    *out_words = 1;
    const struct command *found = find_exact(program, argv[index]);
    if (found == NULL && index + 1 < argc) {
        struct buf two_words = { 0 };
        buf_printf(&two_words, "%s %s", argv[index], argv[index + 1]);
        found = find_exact(program, buf_cstr(&two_words));
        buf_release(&two_words);
        *out_words = 2;
    }
    return found;
}

static bool is_group(const struct program *program, const char *word)
{
    for (size_t i = 0; i < program->command_count; i++) {
        if (command_help_is_in_group(program->commands[i].name, view_cstr(word))) {
            return true;
        }
    }
    return false;
}

/* Appends "did you mean NAME?" when some name is near enough. */
static void add_suggestion(const struct nearest *n, const char *before, struct buf *out)
{
    if (n->name[0] != '\0') {
        buf_printf(out, "; did you mean %s%s?", before, n->name);
    }
    buf_add_char(out, '\n');
}

static void offer_first_word(const char *name, struct nearest *n)
{
    char *first = mem_strdup_view(view_of(name, strcspn(name, " ")));
    nearest_offer(n, first);
    free(first);
}

/* What was probably meant: by both words typed, else by the first alone. `next` is the
 * word behind it, or NULL. */
static void find_nearest(const struct program *program, const char *word,
                         const char *next, struct nearest *n)
{
    struct buf two_words = { 0 };
    if (next != NULL) {
        buf_printf(&two_words, "%s %s", word, next);
        nearest_init(n, buf_cstr(&two_words));
        for (size_t i = 0; i < program->command_count; i++) {
            nearest_offer(n, program->commands[i].name);
        }
    }
    if (next == NULL || n->name[0] == '\0') {
        nearest_init(n, word);
        for (size_t i = 0; i < program->command_count; i++) {
            nearest_offer(n, program->commands[i].name);
            offer_first_word(program->commands[i].name, n);
        }
    }
    buf_release(&two_words);
}

/* The word at argv[index] is no command, also not with the word behind it. */
static void report_unknown_command(const struct program *program, int argc,
                                   char *const *argv, int index)
{
    const char *word = argv[index];
    const char *next =
        index + 1 < argc && !is_flag(argv[index + 1]) ? argv[index + 1] : NULL;
    struct view group = is_group(program, word) ? view_cstr(word) : view_of(NULL, 0);
    struct buf text = { 0 };
    if (group.len > 0 && next == NULL) {
        buf_printf(&text, "%s: '%s' needs one of these words:\n", program->name, word);
    } else {
        struct nearest n;
        find_nearest(program, word, next, &n);
        buf_printf(&text, "%s: '", program->name);
        escape_add_text(&text, view_cstr(word), SHOWN_WORD_BYTES);
        if (group.len > 0) {
            buf_add_char(&text, ' ');
            escape_add_text(&text, view_cstr(next), SHOWN_WORD_BYTES);
        }
        buf_add_cstr(&text, "' is no command");
        add_suggestion(&n, "", &text);
        buf_add_cstr(&text, "Commands:\n");
    }
    command_help_list(program, group, &text);
    (void)print(stderr, &text);
    buf_release(&text);
}

static void set_command(struct command_line *line, const struct command *command)
{
    line->command = command;
    if (command->flags_size > 0) {
        line->flags = mem_calloc(1, command->flags_size);
        options_read_environment(&command->flags, line->flags, &line->mistakes);
    }
}

static void report_unknown_flag(struct command_line *line, const char *arg)
{
    size_t dashes = strspn(arg, "-");
    char *name = mem_strdup_view(view_of(arg + dashes, strcspn(arg + dashes, "=")));
    struct nearest n;
    nearest_init(&n, name);
    options_offer_flags(&line->program->options, &n);
    nearest_offer(&n, "help");
    nearest_offer(&n, "version");
    if (line->command != NULL) {
        options_offer_flags(&line->command->flags, &n);
    }
    if (line->command != NULL && line->command->has_json) {
        nearest_offer(&n, "json");
    }
    /* Not the value: it may be a secret whose flag was mistyped. */
    buf_add_char(&line->mistakes, '\'');
    escape_add_text(&line->mistakes, view_of(arg, strcspn(arg, "=")), SHOWN_WORD_BYTES);
    buf_add_cstr(&line->mistakes, "' is no flag here");
    add_suggestion(&n, "--", &line->mistakes);
    free(name);
}

/* Skips the flag and the word behind it that is probably its value: naming that as a
 * mistake of its own would mislead, and it may be a secret. */
static void skip_unknown_flag(const struct command_line *line, int argc,
                              char *const *argv, int *index)
{
    bool has_value = strchr(argv[*index], '=') != NULL;
    ++*index;
    if (has_value || *index == argc || is_flag(argv[*index])) {
        return;
    }
    int words = 0;
    bool is_command = line->command == NULL &&
                      find_command(line->program, argc, argv, *index, &words) != NULL;
    if (!is_command) {
        ++*index;
    }
}

static void read_flag(struct command_line *line, int argc, char *const *argv, int *index)
{
    const struct program *program = line->program;
    if (strcmp(argv[*index], "--json") == 0) {
        line->json = true;
        ++*index;
        return;
    }
    bool is_known =
        line->flags != NULL && options_read_flag(&line->command->flags, line->flags, argc,
                                                 argv, index, &line->mistakes);
    if (!is_known) {
        is_known = options_read_flag(&program->options, line->config, argc, argv, index,
                                     &line->mistakes);
    }
    if (!is_known) {
        report_unknown_flag(line, argv[*index]);
        skip_unknown_flag(line, argc, argv, index);
    }
}

/* A word that is no flag: the command (perhaps with the word behind it), then its
 * arguments. False when it is no command. */
static bool read_word(struct command_line *line, int argc, char *const *argv, int *index)
{
    if (line->command != NULL) {
        line->args[line->arg_count++] = argv[(*index)++];
        return true;
    }
    int words = 0;
    const struct command *found = find_command(line->program, argc, argv, *index, &words);
    if (found == NULL) {
        return false;
    }
    set_command(line, found);
    *index += words;
    return true;
}

/* Reads the words from *index on; false when the one at *index is no command. */
static bool read_words(struct command_line *line, int argc, char *const *argv, int *index)
{
    while (*index < argc) {
        const char *arg = argv[*index];
        if (!line->flags_have_ended && strcmp(arg, "--") == 0) {
            line->flags_have_ended = true;
            ++*index;
        } else if (!line->flags_have_ended && is_flag(arg)) {
            read_flag(line, argc, argv, index);
        } else if (!read_word(line, argc, argv, index)) {
            return false;
        }
    }
    return true;
}

static void check_arguments(struct command_line *line)
{
    const struct command *c = line->command;
    if (line->arg_count < c->min_args) {
        buf_printf(&line->mistakes, "%s: %s is missing\n", c->name, c->arguments);
    }
    if (line->arg_count > c->max_args) {
        buf_printf(&line->mistakes, "%s: unexpected argument '", c->name);
        escape_add_text(&line->mistakes, view_cstr(line->args[c->max_args]),
                        SHOWN_WORD_BYTES);
        buf_add_cstr(&line->mistakes, "'\n");
    }
    if (line->json && !c->has_json) {
        buf_printf(&line->mistakes, "--json: %s prints no facts\n", c->name);
    }
}

/* What all words together say; appends mistakes. */
static void check_line(struct command_line *line)
{
    const struct program *program = line->program;
    options_check_required(&program->options, line->config, &line->mistakes);
    if (line->flags != NULL) {
        options_check_required(&line->command->flags, line->flags, &line->mistakes);
    }
    if (program->check_config != NULL) {
        program->check_config(line->config, &line->mistakes);
    }
    check_arguments(line);
}

/* Each mistake on a line of its own behind the program's name. */
static void report_mistakes(const struct program *program, struct view mistakes)
{
    struct buf text = { 0 };
    while (mistakes.len > 0) {
        const char *newline = memchr(mistakes.data, '\n', mistakes.len);
        REQUIRE(newline != NULL);
        size_t len = (size_t)(newline - mistakes.data) + 1;
        buf_printf(&text, "%s: ", program->name);
        buf_add(&text, mistakes.data, len);
        mistakes = view_skip(mistakes, len);
    }
    buf_printf(&text, "'%s --help' shows commands and options\n", program->name);
    (void)print(stderr, &text);
    buf_release(&text);
}

static int run_line(struct command_line *line, int argc, char *const *argv)
{
    const struct program *program = line->program;
    options_read_environment(&program->options, line->config, &line->mistakes);
    int index = 1;
    if (!read_words(line, argc, argv, &index)) {
        if (line->mistakes.len > 0) {
            report_mistakes(program, buf_view(&line->mistakes));
        }
        report_unknown_command(program, argc, argv, index);
        return EXIT_USAGE;
    }
    if (line->command == NULL) {
        set_command(line, &program->commands[0]);
    }
    check_line(line);
    if (line->mistakes.len > 0) {
        report_mistakes(program, buf_view(&line->mistakes));
        return EXIT_USAGE;
    }
    const struct command_call call = { .program = program,
                                       .command = line->command,
                                       .config = line->config,
                                       .flags = line->flags,
                                       .args = line->args,
                                       .arg_count = line->arg_count,
                                       .json = line->json };
    return line->command->run(&call);
}

/* True when one of the words before "--" is `flag`. */
static bool has_word(int argc, char *const *argv, const char *flag)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], flag) == 0) {
            return true;
        }
    }
    return false;
}

static void write_help(const struct program *program, int argc, char *const *argv,
                       struct buf *out)
{
    int words = 0;
    const struct command *command =
        is_flag(argv[1]) ? NULL : find_command(program, argc, argv, 1, &words);
    if (command != NULL) {
        command_help_command(program, command, out);
    } else if (is_group(program, argv[1])) {
        buf_printf(out, "Usage: %s COMMAND [OPTION...]\n\nCommands:\n", program->name);
        command_help_list(program, view_cstr(argv[1]), out);
    } else {
        command_help_program(program, out);
    }
}

/* --help and its kin work whatever else is wrong; false when none was asked for. */
static bool write_information(const struct program *program, int argc, char *const *argv,
                              struct buf *out)
{
    if (has_word(argc, argv, "--help") || has_word(argc, argv, "-h")) {
        write_help(program, argc, argv, out);
        return true;
    }
    if (has_word(argc, argv, "--version")) {
        buf_printf(out, "%s %s\n", program->name, BACKSTITCH_VERSION);
        return true;
    }
    if (has_word(argc, argv, "--help-markdown")) {
        options_write_markdown(&program->options, out);
        return true;
    }
    return false;
}

int command_main(const struct program *program, int argc, char **argv)
{
    struct buf information = { 0 };
    if (write_information(program, argc, argv, &information)) {
        bool is_printed = print(stdout, &information);
        buf_release(&information);
        return is_printed ? EXIT_DONE : EXIT_FAILED;
    }

    struct command_line line = { .program = program,
                                 .config = mem_calloc(1, program->config_size),
                                 .args = mem_calloc((size_t)argc + 1, sizeof(char *)) };
    int code = run_line(&line, argc, argv);

    options_release(&program->options, line.config);
    if (line.flags != NULL) {
        options_release(&line.command->flags, line.flags);
    }
    buf_release(&line.mistakes);
    free(line.args);
    free(line.flags);
    free(line.config);
    return code;
}

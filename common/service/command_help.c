#include "common/service/command_help.h"

#include <string.h>

bool command_help_is_in_group(const char *name, struct view group)
{
    return view_starts_with(view_cstr(name), group) && name[group.len] == ' ';
}

static void add_usage(const struct program *program, const char *command,
                      const char *arguments, struct buf *out)
{
    buf_printf(out, "Usage: %s %s%s%s [OPTION...]\n\n", program->name, command,
               arguments == NULL ? "" : " ", arguments == NULL ? "" : arguments);
}

void command_help_list(const struct program *program, struct view group, struct buf *out)
{
    for (size_t i = 0; i < program->command_count; i++) {
        const struct command *c = &program->commands[i];
        if (group.len == 0 || command_help_is_in_group(c->name, group)) {
            buf_printf(out, "  %-18s%s\n", c->name, c->summary);
        }
    }
}

static void add_options(const struct program *program, struct buf *out)
{
    buf_printf(out,
               "\nOptions of %s (a flag goes before the environment, that before the "
               "default):\n",
               program->name);
    options_write_help(&program->options, out);
    buf_add_cstr(out, "  --help                            show this help\n"
                      "  --version                         show the version\n");
}

void command_help_program(const struct program *program, struct buf *out)
{
    add_usage(program, "[COMMAND]", NULL, out);
    buf_printf(out, "%s\n\nCommands:\n", program->summary);
    command_help_list(program, view_of(NULL, 0), out);
    buf_printf(out, "\n'%s COMMAND --help' tells more about a command.\n", program->name);
    add_options(program, out);
    buf_add_cstr(
        out,
        "\nExit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 stopped with "
        "work left.\n");
}

void command_help_command(const struct program *program, const struct command *command,
                          struct buf *out)
{
    add_usage(program, command->name, command->arguments, out);
    buf_printf(out, "%s: %s\n", command->name, command->summary);
    if (command->details != NULL) {
        buf_printf(out, "\n%s\n", command->details);
    }
    if (command->flags.count > 0 || command->has_json) {
        buf_printf(out, "\nFlags of %s:\n", command->name);
        options_write_help(&command->flags, out);
    }
    if (command->has_json) {
        buf_add_cstr(
            out,
            "  --json                            print one JSON document on stdout\n");
    }
    add_options(program, out);
}

#include "ingest/commands/source_command.h"
#include "ingest/commands/source_guide.h"
#include "ingest/commands/source_store.h"
#include "ingest/registry/new_credential.h"

#include <stddef.h>

#define AT(member) offsetof(struct source_rotate_flags, member)

static const struct option rotate_options[] = {
    { .env = "token",
      .type = OPTION_SWITCH,
      .offset = AT(token),
      .help = "the token of webhooks; of none of these three: all" },
    { .env = "secret",
      .type = OPTION_SWITCH,
      .offset = AT(secret),
      .help = "the shared secret that signatures are made with" },
    { .env = "write-key",
      .type = OPTION_SWITCH,
      .offset = AT(write_key),
      .help = "the write key of SDKs" },
    { .env = "retire",
      .type = OPTION_SWITCH,
      .offset = AT(retire),
      .help = "end the old ones, once every sender has the new" },
    { .env = "kubernetes",
      .type = OPTION_SWITCH,
      .offset = AT(kubernetes),
      .help = "print the whole registry as a Secret, for kubectl apply -f -" },
};

const struct option_table source_rotate_option_table = {
    .options = rotate_options,
    .count = sizeof rotate_options / sizeof rotate_options[0],
};

static bool is_chosen(const struct source_rotate_flags *flags, enum credential_kind kind)
{
    const bool chosen[CREDENTIAL_KINDS] = { [CREDENTIAL_WRITE_KEY] = flags->write_key,
                                            [CREDENTIAL_TOKEN] = flags->token,
                                            [CREDENTIAL_SECRET] = flags->secret };
    bool is_any = flags->write_key || flags->token || flags->secret;
    return !is_any || chosen[kind];
}

/* A third live credential is more likely a forgotten rotation than a wish: the oldest
 * would stay good for ever. */
static bool check_room(struct source *source, enum credential_kind kind,
                       struct error *err)
{
    return credentials_of(source, kind)->count < SOURCE_LIVE_CREDENTIALS ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "'%s' has two live credentials of the kind '%s' already: end the "
                     "old one first with: source rotate %s --%s --retire",
                     source->name, credential_names[kind], source->slug,
                     kind == CREDENTIAL_WRITE_KEY ? "write-key" : credential_names[kind]);
}

static bool make_new_ones(struct source *source, const struct source_rotate_flags *flags,
                          struct error *err)
{
    for (int kind = 0; kind < CREDENTIAL_KINDS; kind++) {
        if (is_chosen(flags, (enum credential_kind)kind) &&
            !check_room(source, (enum credential_kind)kind, err)) {
            return false;
        }
    }
    for (int kind = 0; kind < CREDENTIAL_KINDS; kind++) {
        if (is_chosen(flags, (enum credential_kind)kind)) {
            credential_add(source, (enum credential_kind)kind);
        }
    }
    return true;
}

static void tell_what_lives(const struct command_call *call, unsigned retired)
{
    const struct source_rotate_flags *flags = call->flags;
    if (!flags->retire) {
        source_store_tell(call, "the old credentials are good beside the new ones until: "
                                "source rotate .. --retire");
    } else if (retired == 0) {
        source_store_tell(call, "there was no older credential to end");
    }
}

static int apply(const struct command_call *call, struct source_list *list,
                 struct error *err)
{
    const struct source_rotate_flags *flags = call->flags;
    const struct source *found = NULL;
    unsigned retired = 0;
    if (!source_store_find(call, list, &found, err)) {
        return EXIT_FAILED;
    }
    struct source *source = &list->sources[found - list->sources];
    if (!flags->retire && !make_new_ones(source, flags, err)) {
        return EXIT_FAILED;
    }
    for (int kind = 0; flags->retire && kind < CREDENTIAL_KINDS; kind++) {
        if (is_chosen(flags, (enum credential_kind)kind)) {
            retired += credential_retire(source, (enum credential_kind)kind);
        }
    }
    tell_what_lives(call, retired);
    return EXIT_DONE;
}

static void report(const struct command_call *call, const struct source_list *list,
                   struct buf *out)
{
    source_guide_add(call, source_list_find(list, view_cstr(call->args[0])), out);
}

int command_source_rotate(const struct command_call *call)
{
    const struct source_rotate_flags *flags = call->flags;
    const struct source_change change = { .apply = apply,
                                          .report = report,
                                          .needs_source = true,
                                          .as_kubernetes = flags->kubernetes };
    return source_store_change(call, &change);
}

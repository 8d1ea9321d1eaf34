#include "loader/mapping/integrations.h"

#include <stddef.h>

enum decision { UNDECIDED, SELECTED, EXCLUDED };

/* Both places where integrations may be said; NULL where they are not an object. */
struct lookup {
    const struct json_doc *doc[2];
    const struct json_node *object[2];
};

/* An object is options for one destination: it selects a name of ours, and says nothing
 * as `All`. */
static enum decision decide(const struct json_node *node, bool object_selects)
{
    if (node == NULL) {
        return UNDECIDED;
    }
    if (node->kind == JSON_TRUE || (node->kind == JSON_OBJECT && object_selects)) {
        return SELECTED;
    }
    return node->kind == JSON_FALSE ? EXCLUDED : UNDECIDED;
}

static enum decision decision_at(const struct lookup *where, unsigned place,
                                 const char *name, bool object_selects)
{
    if (where->object[place] == NULL) {
        return UNDECIDED;
    }
    const struct json_node *node =
        json_doc_member(where->doc[place], where->object[place], view_cstr(name));
    return decide(node, object_selects);
}

static enum decision decision_for(const struct lookup *where, const char *name)
{
    enum decision own = decision_at(where, 0, name, true);
    return own != UNDECIDED ? own : decision_at(where, 1, name, true);
}

/* `All` and `all` are one name: what the event says of either goes before the batch. */
static enum decision decision_for_all(const struct lookup *where)
{
    static const char *const spellings[] = { "All", "all" };
    enum decision d = UNDECIDED;
    for (unsigned i = 0; i < 4 && d == UNDECIDED; i++) {
        d = decision_at(where, i / 2, spellings[i % 2], false);
    }
    return d;
}

static bool any_name_is(const struct lookup *where, const char *const *names,
                        enum decision wanted)
{
    for (; *names != NULL; names++) {
        if (decision_for(where, *names) == wanted) {
            return true;
        }
    }
    return false;
}

static const struct json_node *object_or_null(const struct json_node *node)
{
    return node != NULL && node->kind == JSON_OBJECT ? node : NULL;
}

/* The order is the contract's: a name of ours that is true outweighs another that is
 * false. */
bool integrations_select(const struct json_doc *event, const struct json_doc *batch,
                         const char *const *names)
{
    static const char *const built_in[] = { "Stitch", "Stitch Data", "Backstitch", NULL };
    const struct json_node *own =
        json_doc_member(event, &event->nodes[0], view_cstr("integrations"));
    struct lookup where = {
        .doc = { event, batch },
        .object = { object_or_null(own),
                    object_or_null(batch->count > 0 ? &batch->nodes[0] : NULL) },
    };
    if (where.object[0] == NULL && where.object[1] == NULL) {
        return true;
    }
    if (any_name_is(&where, built_in, SELECTED) || any_name_is(&where, names, SELECTED)) {
        return true;
    }
    if (any_name_is(&where, built_in, EXCLUDED) || any_name_is(&where, names, EXCLUDED)) {
        return false;
    }
    return decision_for_all(&where) != EXCLUDED;
}

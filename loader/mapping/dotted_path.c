#include "loader/mapping/dotted_path.h"

#include "loader/mapping/column_name.h"

/* The next key of a dotted path, its "\." undone into `key`; false at the end. */
static bool next_key(struct view *rest, struct buf *key)
{
    if (rest->data == NULL) {
        return false;
    }
    buf_clear(key);
    size_t i = 0;
    while (i < rest->len && rest->data[i] != '.') {
        if (rest->data[i] == '\\' && i + 1 < rest->len && rest->data[i + 1] == '.') {
            i++;
        }
        buf_add_char(key, rest->data[i++]);
    }
    *rest = i < rest->len ? view_skip(*rest, i + 1) : view_of(NULL, 0);
    return true;
}

void dotted_path_join(struct view written, struct buf *path, struct buf *name)
{
    struct buf key = { 0 };
    struct view rest = written;
    while (next_key(&rest, &key)) {
        if (name->len > 0) {
            buf_add_cstr(name, COLUMN_NAME_JOIN);
            buf_add_char(path, '.');
        }
        column_name_add_segment(name, buf_view(&key));
        column_name_add_path(path, buf_view(&key));
    }
    buf_release(&key);
}

void dotted_path_column(struct view written, struct buf *path, struct buf *name)
{
    dotted_path_join(written, path, name);
    column_name_finish(name, buf_view(path));
}

bool dotted_path_is_ignored(struct view path, char *const *ignored)
{
    for (; *ignored != NULL; ignored++) {
        struct view above = view_cstr(*ignored);
        if (view_starts_with(path, above) &&
            (path.len == above.len || path.data[above.len] == '.')) {
            return true;
        }
    }
    return false;
}

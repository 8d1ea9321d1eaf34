#include "loader/commands/report_rows.h"

#include <json-c/json.h>

#include <stdio.h>

static json_object *field(const struct pg_result *r, int row, int column, bool is_number)
{
    if (connection_field_is_null(r, row, column)) {
        return NULL;
    }
    if (is_number) {
        return json_object_new_int64(connection_field_i64(r, row, column));
    }
    struct view text = connection_field(r, row, column);
    return json_object_new_string_len(text.data, (int)text.len);
}

json_object *report_rows(const struct pg_result *r, const struct report_column *columns,
                         size_t count)
{
    json_object *list = json_object_new_array();
    for (int row = 0; row < connection_rows(r); row++) {
        json_object *o = json_object_new_object();
        for (size_t i = 0; i < count; i++) {
            json_object_object_add(o, columns[i].name,
                                   field(r, row, (int)i, columns[i].is_number));
        }
        json_object_array_add(list, o);
    }
    return list;
}

void report_print(const char *name, json_object *value)
{
    json_object *document = json_object_new_object();
    json_object_object_add(document, name, value);
    printf("%s\n", json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY));
    json_object_put(document);
}

#include "loader/postgres/table_advice.h"

#include "loader/postgres/connection.h"

/* In a text, @t stands for the quoted name of the table, @s for that of its schema, @r
 * for the loader's role. */
struct advice {
    enum table_fault fault;
    const char *word;
    const char *text;
};

/* In the order of their weight: what makes the others pointless comes first. */
static const struct advice advices[] = {
    { TABLE_IS_NO_TABLE, "no table",
      "@t is no table (a view, a foreign table, .. has its name): rename it, and the "
      "loader "
      "makes the table" },
    { TABLE_SCHEMA_IS_CLOSED, "no right to the schema",
      "the loader's role may not use the schema: GRANT USAGE ON SCHEMA @s TO "
      "@r" },
    { TABLE_HAS_NO_ID, "no message_id",
      "@t has no column message_id of type text or varchar: rename the table when it is "
      "another's, else ALTER TABLE @t ALTER COLUMN message_id TYPE text" },
    { TABLE_HAS_NO_KEY, "no unique key",
      "@t has no unique key on message_id alone: find copies (SELECT message_id, "
      "count(*) "
      "FROM @t GROUP BY 1 HAVING count(*) > 1), delete all but one of each, then CREATE "
      "UNIQUE INDEX CONCURRENTLY ON @t (message_id COLLATE \"C\")" },
    { TABLE_HAS_ODD_COLUMNS, "odd system columns",
      "_sdc_sequence of @t is no bigint, or _sdc_batched_at no timestamp, and cannot "
      "hold "
      "ours: ALTER TABLE @t ALTER COLUMN _sdc_sequence TYPE bigint USING "
      "_sdc_sequence::bigint, ALTER COLUMN _sdc_batched_at TYPE timestamptz USING "
      "_sdc_batched_at::text::timestamptz" },
    { TABLE_HAS_RULES, "rewrite rules",
      "@t has rewrite rules for INSERT or UPDATE, with which PostgreSQL refuses ON "
      "CONFLICT: DROP RULE .. ON @t (a trigger can do the same)" },
    { TABLE_HAS_ROW_SECURITY, "row security",
      "@t has row-level security, with which PostgreSQL refuses COPY: ALTER ROLE "
      "@r BYPASSRLS, or ALTER TABLE @t OWNER TO @r" },
    { TABLE_REFUSES_SELECT, "no right to SELECT",
      "the loader's role may not read it: GRANT SELECT ON @t TO @r" },
    { TABLE_REFUSES_INSERT, "no right to INSERT",
      "the loader's role may not insert: GRANT INSERT ON @t TO @r" },
    { TABLE_REFUSES_UPDATE, "no right to UPDATE",
      "the loader's role may not update: GRANT UPDATE ON @t TO @r" },
    { TABLE_REFUSES_ALTER, "no right to ALTER",
      "the loader's role may not add columns: ALTER TABLE @t OWNER TO @r" },
};

static const struct advice *advice_of(enum table_fault fault)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
        if (advices[i].fault == fault) {
            return &advices[i];
        }
    }
    return &advices[0];
}

const char *table_advice_word(enum table_fault fault)
{
    return advice_of(fault)->word;
}

enum table_fault table_advice_first(const struct table *t, unsigned wanted)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
        if ((table_faults(t) & wanted & (unsigned)advices[i].fault) != 0) {
            return advices[i].fault;
        }
    }
    return (enum table_fault)0;
}

static void add_full_name(struct buf *out, const struct table *t)
{
    connection_add_name(out, table_schema(t));
    buf_add_char(out, '.');
    connection_add_name(out, table_name(t));
}

void table_advice_add(struct buf *out, const struct table *t, enum table_fault fault,
                      const char *role)
{
    for (const char *at = advice_of(fault)->text; *at != '\0'; at++) {
        if (*at != '@') {
            buf_add_char(out, *at);
            continue;
        }
        switch (*++at) {
        case 't':
            add_full_name(out, t);
            break;
        case 's':
            connection_add_name(out, table_schema(t));
            break;
        default:
            buf_add_cstr(out, role == NULL ? "LOADER_ROLE" : role);
            break;
        }
    }
}

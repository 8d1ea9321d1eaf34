/* table_fault: what keeps a table from being loaded, or from growing, as the catalogue
 * shows it before any statement is tried.
 *
 * A table belongs to humans too: what is under a table's name may be anything. Bits in
 * `table_faults` (table.h); what to do about each is for postgres/table_advice to say.
 * Why each is one: architecture.md, section 4, "Errors"; PostgreSQL's manual on INSERT
 * (ON CONFLICT, rules) and COPY (row security).
 */
#ifndef LOADER_MAPPING_TABLE_FAULT_H
#define LOADER_MAPPING_TABLE_FAULT_H

enum table_fault {
    TABLE_IS_NO_TABLE = 1 << 0, /* a view, a foreign table, .. */
    TABLE_HAS_NO_ID = 1 << 1,   /* no column message_id of text or varchar */
    TABLE_HAS_NO_KEY = 1 << 2,  /* no unique key on message_id alone */
    TABLE_HAS_ODD_COLUMNS =
        1 << 3,               /* _sdc_sequence or _sdc_batched_at cannot hold ours */
    TABLE_HAS_RULES = 1 << 4, /* rewrite rules: ON CONFLICT is refused */
    TABLE_HAS_ROW_SECURITY = 1 << 5, /* policies apply to our role: COPY is refused */
    TABLE_SCHEMA_IS_CLOSED = 1 << 6, /* no USAGE on its schema */
    TABLE_REFUSES_SELECT = 1 << 7,   /* copies are looked up */
    TABLE_REFUSES_INSERT = 1 << 8,
    TABLE_REFUSES_UPDATE = 1 << 9, /* a copy may replace another */
    TABLE_REFUSES_ALTER =
        1 << 10, /* not ours: loads, as long as nothing is to be added */
};

/* The faults with which no row can be loaded: all but the last. */
#define TABLE_OBSTACLES ((unsigned)TABLE_REFUSES_ALTER - 1u)

#endif

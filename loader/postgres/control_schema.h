/* control_schema: the schema `backstitch`: tables, functions, and their migrations
 * (control_schema.sql, embedded at build time).
 */
#ifndef LOADER_POSTGRES_CONTROL_SCHEMA_H
#define LOADER_POSTGRES_CONTROL_SCHEMA_H

#include "loader/postgres/connection.h"

/* Brings the control schema to this program's version, under an advisory lock for all
 * loaders. A schema that is newer than this program is left alone: old and new loaders
 * run side by side. */
MUST_CHECK bool control_schema_migrate(struct connection *c, struct error *err);

/* The version this program makes. */
int control_schema_version(void);

#endif

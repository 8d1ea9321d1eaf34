"""PostgreSQL as the tests see it: rows as psql shows them in UTC, tables' columns, the control schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from kafka_log import Positions

Row = dict[str, str]  # column -> text; NULLs are left out
SHORT_TYPES = {"timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp"}


@dataclass(frozen=True)
class Column:
    type: str
    comment: str | None


@dataclass(frozen=True)
class RejectedRow:
    record: str
    reason: str  # the word
    detail: str  # what follows it
    table_name: str | None
    message_id: str
    user_id: str | None
    topic: str
    kafka_partition: int
    kafka_offset: int
    attempts: int


class Database:
    """One database; connects again by itself after a restart of the server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.broken or self._connection.closed:
            self._connection = psycopg.connect(self.url, autocommit=True, connect_timeout=5, options="-c TimeZone=UTC")
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def query(self, text: str | sql.Composed, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement; none when it has no result. A connection that the server has ended meanwhile is
        opened again, once."""
        statement = sql.SQL(text) if isinstance(text, str) else text
        try:
            cursor = self._connected().execute(statement, parameters)
        except psycopg.OperationalError:
            self.close()
            cursor = self._connected().execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def value(self, text: str, parameters: tuple[Any, ...] = ()) -> Any:
        """The single value of a query."""
        return self.query(text, parameters)[0][0]

    # --- data ---------------------------------------------------------------------------------------------------------

    def has_table(self, schema: str, table: str) -> bool:
        return bool(self.value("SELECT to_regclass(format('%%I.%%I', %s::text, %s::text)) IS NOT NULL", (schema, table)))

    def columns(self, schema: str, table: str) -> dict[str, Column]:
        """In the table's order; none when there is no such table. Types are spelled as in tests/data."""
        found = self.query(
            "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) FROM pg_attribute"
            " WHERE attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum", (schema, table))
        return {name: Column(short_type(kind), comment) for name, kind, comment in found}

    def rows(self, schema: str, table: str) -> list[Row]:
        """All rows, values as COPY writes them."""
        names = list(self.columns(schema, table))
        if not names:
            return []
        copy_out = sql.SQL("COPY {}.{} TO STDOUT").format(sql.Identifier(schema), sql.Identifier(table))
        with self._connected().cursor().copy(copy_out) as copy:
            return [{name: _text(value) for name, value in zip(names, values, strict=True) if value is not None}
                    for values in copy.rows()]

    def typed_rows(self, schema: str, table: str) -> list[dict[str, Any]]:
        """All rows, values as Python's: Decimal, bool, what json.loads makes of jsonb."""
        if not self.has_table(schema, table):
            return []
        names = list(self.columns(schema, table))
        selected = self.query(sql.SQL("SELECT * FROM {}.{}").format(sql.Identifier(schema), sql.Identifier(table)))
        return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in selected]

    def count(self, schema: str, table: str) -> int:
        if not self.has_table(schema, table):
            return 0
        counting = sql.SQL("SELECT count(*) FROM {}.{}").format(sql.Identifier(schema), sql.Identifier(table))
        return int(self.query(counting)[0][0])

    def rejected(self, schema: str) -> list[RejectedRow]:
        """In the order in which they are in Kafka, by partition."""
        if not self.has_table(schema, "_sdc_rejected"):
            return []
        statement = sql.SQL(
            "SELECT record, reason, table_name, message_id, user_id, topic, kafka_partition, kafka_offset, attempts"
            " FROM {}._sdc_rejected ORDER BY kafka_partition, kafka_offset").format(sql.Identifier(schema))
        return [_rejected(*row) for row in self.query(statement)]

    # --- control schema -----------------------------------------------------------------------------------------------

    def positions(self, group: str = "backstitch-loader") -> Positions:
        """Where each partition is loaded to."""
        if not self.has_table("backstitch", "load_offset"):
            return {}
        found = self.query("SELECT topic, kafka_partition, next_offset FROM backstitch.load_offset"
                           " WHERE consumer_group = %s", (group,))
        return {(topic, partition): offset for topic, partition, offset in found}

    def owners(self, group: str = "backstitch-loader") -> set[str]:
        """Loaders that loaded something last."""
        return {owner for (owner,) in self.query("SELECT DISTINCT owner FROM backstitch.load_offset"
                                                 " WHERE consumer_group = %s", (group,))}

    def statistics(self, schema: str) -> dict[str, int]:
        """Sums over all minutes, loaders and tables."""
        names = ("rows_new", "rows_replaced", "rows_duplicate", "rows_rejected", "rows_suppressed_deletion",
                 "rows_suppressed_integrations")
        sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in names)
        row = self.query(f'SELECT {sums} FROM backstitch.load_stat WHERE "schema" = %s', (schema,))[0]
        return dict(zip(names, row, strict=True))

    def ledger(self, schema: str) -> dict[str, int]:
        """Sums over all minutes and tables."""
        names = ("acknowledged", "loaded", "copies", "rejected", "suppressed", "deletions", "held")
        sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in names)
        row = self.query(f'SELECT {sums} FROM backstitch.ledger WHERE "schema" = %s', (schema,))[0]
        return dict(zip(names, row, strict=True))

    def unaccounted(self) -> list[tuple[Any, ...]]:
        """Rows of the ledger that do not add up."""
        return self.query("SELECT * FROM backstitch.ledger WHERE unaccounted <> 0")


def short_type(kind: str) -> str:
    """As tests/data spells it."""
    return SHORT_TYPES.get(kind, re.sub(r"^character varying", "varchar", kind))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _rejected(record: str, reason: str, *rest: Any) -> RejectedRow:
    word, _, detail = reason.partition(": ")
    return RejectedRow(record, word, detail, *rest)

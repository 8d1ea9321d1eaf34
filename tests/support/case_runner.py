"""Runs mapping cases through Kafka, a loader and PostgreSQL: all cases at once, each in a schema of its own.

Step by step: the first steps of all cases are written, waited for and looked at, then the second ones, and so on. Two
steps that would meet in one row of `_sdc_rejected` are kept apart the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

import mapping_oracle as oracle
from data_cases import DEFAULT_HEADERS, Case, Step
from database import Column, Database, RejectedRow, Row
from kafka_log import KafkaLog, NewRecord
from loading import wait_loaded
from mapping_oracle import fixed_columns

PARTITIONS = 12  # of each topic, as `backstitch-ingest topics` makes them


@dataclass
class Found:
    """What a step left in PostgreSQL."""

    before: dict[str, str]  # columns of the event's table
    after: dict[str, Column]
    rows: list[Row]
    # Looked for only when the step should not give a row, or gave none.
    rejected: list[RejectedRow] = field(default_factory=list)  # by this very record
    deletions: list[tuple[Any, ...]] = field(default_factory=list)
    suppressed: int = 0


@dataclass
class _Turn:
    """One step of one case, with the schema it runs in."""

    case: Case
    number: int
    schema: str

    @property
    def step(self) -> Step:
        return self.case.steps[self.number]

    @property
    def table(self) -> str:
        return str(self.step.expect.get("table", "track"))

    @property
    def headers(self) -> dict[str, str]:
        headers = dict(self.step.record.headers)
        if headers.get("schema") == DEFAULT_HEADERS["schema"]:
            headers["schema"] = self.schema
        return headers

    @property
    def stored_schema(self) -> str:
        """Where its row or rejected row goes."""
        schema = self.headers.get("schema", "")
        return schema if oracle.schema_of(schema) == schema else "backstitch"

    @property
    def message_id(self) -> str:
        """The record's key, as ingest chooses it."""
        record = self.step.record
        try:
            event = oracle.read_json(record.value)
        except oracle.Fault:
            event = oracle.Value("null", "")
        source = record.headers.get("source", "")
        return oracle.message_id(event, source, record.value)[0] if event.kind == "object" else oracle.derived_id(source, record.value)

    @property
    def meets(self) -> tuple[str, str, str]:
        """Steps that are equal in this would share a row of _sdc_rejected."""
        rejected = self.step.expect.get("rejected", {})
        return self.stored_schema, self.step.record.topic, rejected.get("message_id", f"{self.schema} {self.number}")


class CaseRunner:
    """Cases of equal options in one database, by whatever loader loads `log` as `group` into it."""

    def __init__(self, log: KafkaLog, database: Database, group: str, prefix: str, padded_to: int | None = None) -> None:
        self._log = log
        self._database = database
        self._group = group
        self._prefix = prefix  # of the schemas
        self._padded_to = padded_to  # LOADER_MAX_COLUMNS of that loader, when cases limit columns

    def run(self, cases: Sequence[Case]) -> dict[tuple[str, int], Found]:
        """By the case's name and the step's number."""
        waiting = [[_Turn(case, number, f"{self._prefix}_{index:03d}") for number in range(len(case.steps))]
                   for index, case in enumerate(cases)]
        found: dict[tuple[str, int], Found] = {}
        while any(waiting):
            round_: dict[tuple[str, str, str], _Turn] = {}
            for turns in waiting:
                if turns and turns[0].meets not in round_:
                    turn = turns.pop(0)
                    round_[turn.meets] = turn
            found |= self._play(list(round_.values()))
        return found

    def _play(self, turns: Sequence[_Turn]) -> dict[tuple[str, int], Found]:
        for turn in turns:
            self._prepare_table(turn)
        before = [self._columns(turn) for turn in turns]
        places = self._log.produce([_record(turn, index) for index, turn in enumerate(turns)])
        wait_loaded(self._log, self._database, 60, self._group)
        return {(turn.case.name, turn.number): self._look(turn, columns, place)
                for turn, columns, place in zip(turns, before, places, strict=True)}

    def _columns(self, turn: _Turn) -> dict[str, str]:
        if turn.number == 0 and not turn.step.columns and self._padded_to is None:
            return fixed_columns(turn.table)
        columns = self._database.columns(turn.stored_schema, turn.table)
        return {name: column.type for name, column in columns.items()} or fixed_columns(turn.table)

    def _look(self, turn: _Turn, before: dict[str, str], place: tuple[int, int]) -> Found:
        database, schema = self._database, turn.stored_schema
        found = Found(before, database.columns(schema, turn.table), database.rows(schema, turn.table))
        if found.rows and "row" in turn.step.expect:
            return found
        topic = f"{self._log.prefix}.{turn.step.record.topic}"
        found.rejected = [row for row in database.rejected(schema)
                          if (row.topic, row.kafka_partition, row.kafka_offset) == (topic, *place)]
        found.deletions = database.query("SELECT message_id, user_id, requested_at::text FROM backstitch.deletion"
                                         ' WHERE "schema" = %s', (schema,))
        found.suppressed = database.statistics(schema)["rows_suppressed_integrations"]
        return found

    # --- tables that are there before -----------------------------------------------------------------------------------

    def _prepare_table(self, turn: _Turn) -> None:
        """A table taken over, or changed by a human."""
        wanted = dict(turn.step.columns)
        if self._padded_to is not None and turn.number == 0:
            fillers = self._padded_to - turn.case.options.max_columns
            wanted |= {f"filler_{number:02d}": "text" for number in range(fillers)}
        if not wanted:
            return
        schema, table = turn.stored_schema, turn.table
        present = self._database.columns(schema, table)
        if not present:
            self._create(schema, table, {**fixed_columns(table), **wanted})
            return
        for name, kind in wanted.items():
            change = "ALTER COLUMN {2} TYPE {3} USING NULL" if name in present else "ADD COLUMN {2} {3}"
            self._execute("ALTER TABLE {0}.{1} " + change, schema, table, name, kind)

    def _create(self, schema: str, table: str, columns: dict[str, str]) -> None:
        self._execute("CREATE SCHEMA IF NOT EXISTS {0}", schema)
        self._execute('CREATE TABLE {0}.{1} ({2} {3} COLLATE "C" PRIMARY KEY)', schema, table, "message_id", columns["message_id"])
        for name, kind in columns.items():
            if name != "message_id":
                self._execute("ALTER TABLE {0}.{1} ADD COLUMN {2} {3}", schema, table, name, kind)

    def _execute(self, text: str, *names: str) -> None:
        """The fourth name is a type; the others are quoted."""
        parts: list[sql.Composable] = [sql.Identifier(name) for name in names]
        if len(names) > 3:
            parts[3] = sql.SQL(names[3])
        self._database.query(sql.SQL(text).format(*parts))


def _record(turn: _Turn, index: int) -> NewRecord:
    """Nearly all cases have the same id: their records are spread over the partitions by hand."""
    return NewRecord(turn.step.record.topic, turn.step.record.value, turn.headers, turn.message_id, index % PARTITIONS)

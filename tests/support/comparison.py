"""Kafka against PostgreSQL: every record of a schema must have become exactly what the oracle says.

The columns that a table has in the end decide: a column's type never changes and a table only grows, so an event that
was mapped early gives the same row when it is mapped again with all columns there.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import mapping_oracle as oracle
from database import Database, Row
from kafka_log import LogRecord
from stack import TYPES

PROCESSES = 2
IN_PARALLEL_FROM = 2_000  # records; below, starting processes costs more than it saves
OPTIONS = oracle.Options()  # the stack's loaders run with the defaults
SHOWN = 5  # differences in a message

Columns = Mapping[str, Mapping[str, str]]  # table -> column -> type


@dataclass
class Tally:
    """How many records of a schema ended as what, copies counted once in `loaded`."""

    records: int = 0
    loaded: int = 0
    copies: int = 0
    rejected: int = 0
    suppressed: int = 0
    deletions: int = 0
    by_table: Counter[str] = field(default_factory=Counter)
    twins: int = 0  # rows with a value in a twin
    overflow: int = 0  # rows with _sdc_extra


def expected_outcomes(records: Sequence[LogRecord], columns: Columns) -> list[oracle.Outcome]:
    """What each record must become."""
    if len(records) < IN_PARALLEL_FROM:
        return _map_all(records, columns)
    size = -(-len(records) // PROCESSES)
    parts = [records[start : start + size] for start in range(0, len(records), size)]
    # spawn: a fork would copy the threads' locks of Kafka's library
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        mapped = pool.map(_map_all, parts, [columns] * len(parts))
        return [outcome for part in mapped for outcome in part]


def _map_all(records: Sequence[LogRecord], columns: Columns) -> list[oracle.Outcome]:
    return [_map(record, columns) for record in records]


def _map(record: LogRecord, columns: Columns) -> oracle.Outcome:
    """An event's own type decides its table, so that table's columns are asked for after the first look."""
    given = oracle.Record(record.value, record.topic, record.headers)
    outcome = oracle.expected(given, columns.get(record.topic) or None, OPTIONS)
    if isinstance(outcome, oracle.Row) and outcome.table != record.topic:
        outcome = oracle.expected(given, columns.get(outcome.table) or None, OPTIONS)
    return outcome


def check_schema(records: Sequence[LogRecord], database: Database, schema: str, newest: bool = False) -> Tally:
    """All records of `schema` among `records` against all its tables. `newest`: of copies the last one stays."""
    records = [record for record in records if record.headers.get("schema") == schema]
    columns = {table: {name: column.type for name, column in database.columns(schema, table).items()} for table in TYPES}
    outcomes = expected_outcomes(records, columns)
    tally = Tally(records=len(records))
    rows = _winners(records, outcomes, newest)
    for table in TYPES:
        _check_table(table, {key[1]: row for key, row in rows.items() if key[0] == table}, database, schema, tally)
    tally.copies = sum(isinstance(outcome, oracle.Row) for outcome in outcomes) - len(rows)
    _check_rejected(outcomes, database, schema, tally)
    _check_deletions(outcomes, database, schema, tally)
    tally.suppressed = sum(isinstance(outcome, oracle.Suppressed) for outcome in outcomes)
    _check_ledger(outcomes, database, schema, tally)
    return tally


def _check_ledger(outcomes: Sequence[oracle.Outcome], database: Database, schema: str, tally: Tally) -> None:
    """The loader's own account of the same, and that it adds up."""
    rejected = sum(isinstance(outcome, oracle.Rejected) for outcome in outcomes)
    deletions = sum(isinstance(outcome, oracle.Deletion) for outcome in outcomes)
    assert database.unaccounted() == []
    assert database.ledger(schema) == {
        "acknowledged": tally.records, "loaded": tally.loaded, "copies": tally.copies, "rejected": rejected,
        "suppressed": tally.suppressed, "deletions": deletions, "held": 0}


def _winners(records: Sequence[LogRecord], outcomes: Sequence[oracle.Outcome],
             newest: bool) -> dict[tuple[str, str], oracle.Row]:
    """Of each event the copy that stays, by table and message id."""
    best: dict[tuple[str, str], tuple[int, oracle.Row]] = {}
    for outcome in outcomes:
        if not isinstance(outcome, oracle.Row):
            continue
        key = outcome.table, outcome.row["message_id"]
        sequence = int(outcome.row["_sdc_sequence"]) * (-1 if newest else 1)
        if key not in best or sequence < best[key][0]:
            best[key] = sequence, outcome
    return {key: row for key, (_, row) in best.items()}


def _check_table(table: str, expected: Mapping[str, oracle.Row], database: Database, schema: str, tally: Tally) -> None:
    stored = {row["message_id"]: row for row in database.rows(schema, table)}
    assert_same_ids(f"{schema}.{table}", expected.keys(), stored.keys())
    different = [text for id_, row in expected.items() if (text := difference(row, stored[id_]))]
    assert not different, f"{schema}.{table}: {len(different)} rows differ, as\n" + "\n".join(different[:SHOWN])
    tally.loaded += len(stored)
    tally.by_table[table] = len(stored)
    tally.twins += sum(any(name.endswith("__st") for name in row) for row in stored.values())
    tally.overflow += sum("_sdc_extra" in row for row in stored.values())


def assert_same_ids(where: str, expected: object, stored: object) -> None:
    wanted, found = set(expected), set(stored)  # type: ignore[call-overload]
    assert wanted == found, (f"{where}: {len(wanted - found)} missing {sorted(wanted - found)[:SHOWN]}, "
                             f"{len(found - wanted)} unknown {sorted(found - wanted)[:SHOWN]}")


def difference(expected: oracle.Row, stored: Row) -> str:
    """What is wrong with a stored row, in words; empty when it is right. _sdc_batched_at is only there."""
    wanted = expected.stored
    found = {name: value for name, value in stored.items() if name != "_sdc_batched_at"}
    if wanted == found and "_sdc_batched_at" in stored and not expected.added:
        return ""
    names = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    parts = [f"{name}: expected {_short(wanted.get(name))}, stored {_short(found.get(name))}" for name in names]
    parts += [f"no column {name}" for name in expected.added]
    parts += [] if "_sdc_batched_at" in stored else ["no _sdc_batched_at"]
    return f"  {wanted['message_id']}: " + "; ".join(parts)


def _short(value: str | None) -> str:
    return repr(value if value is None or len(value) <= 200 else value[:200] + "..")


def _check_rejected(outcomes: Sequence[oracle.Outcome], database: Database, schema: str, tally: Tally) -> None:
    """By id and reason. The same bad event again is the same row."""
    wanted = {(outcome.message_id, outcome.reason) for outcome in outcomes
              if isinstance(outcome, oracle.Rejected) and outcome.schema == schema}
    found = [(row.message_id, row.reason) for row in database.rejected(schema)]
    assert_same_ids(f"{schema}._sdc_rejected", wanted, found)
    tally.rejected = len(found)


def _check_deletions(outcomes: Sequence[oracle.Outcome], database: Database, schema: str, tally: Tally) -> None:
    wanted = {(outcome.message_id, outcome.user_id) for outcome in outcomes if isinstance(outcome, oracle.Deletion)}
    found = database.query('SELECT message_id, user_id FROM backstitch.deletion WHERE "schema" = %s', (schema,))
    assert_same_ids(f"deletions of {schema}", wanted, found)
    tally.deletions = len(found)

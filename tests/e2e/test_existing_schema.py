"""A schema that Stitch left behind is taken over: every new value lands exactly or in the twin, nothing of the old data changes.

`check --schema` says before what will happen; the statement that it prints is the one that is run.
"""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import mapping_oracle as oracle
from comparison import assert_same_ids, difference, expected_outcomes
from data_cases import DATA, DEFAULT_HEADERS
from database import Database, Row
from kafka_log import KafkaLog, NewRecord
from loading import wait_loaded
from programs import run
from stack import Stack

SCHEMA = "stitch_old"
PREFIX = "stitch"
TABLES = ("track", "identify", "_sdc_rejected", "track__properties__products")
VALUES = [0, -1, 12, 12.0, 1.5, 0.1, 1e3, 9223372036854775807, 9223372036854775808, 123456789.123456789, True, False, "", "12", "x",
          "2026-12-04T10:00:00Z", "2026-12-04T10:00:00.123456789Z", "2026-12-04 10:00:00", "eight ch", "nine char", "größe", [], [1, "a"],
          [{"id": 1, "price": 5.5}], {"a": 1}, None]
PATHS = ["total", "price", "quantity", "paid", "score", "seen_at", "sku", "OldName", "new"]
numbers = count()


def records() -> list[NewRecord]:
    """Every value in every column that Stitch made, and in the fixed columns; ids that fit and one that does not."""
    tracks = [{"properties": {path: value}} for path in PATHS for value in VALUES]
    fixed = [{path: value} for path in ("userId", "anonymousId", "version", "sentAt", "timestamp", "originalTimestamp", "receivedAt",
                                        "event", "channel") for value in VALUES]
    contexts = [{"context": {"ip": value, "userAgent": value, "library": {"name": value}}} for value in VALUES]
    identifies = [{"userId": value, "timestamp": value, "traits": {"plan": value, "age": value}} for value in VALUES]
    made = [_record("track", f"t{next(numbers)}", rest) for rest in (*tracks, *fixed, *contexts)]
    made += [_record("identify", f"i{next(numbers)}", rest) for rest in identifies]
    made += [_record("identify", "an-id-of-more-than-thirty-six-characters", {"userId": "u"}), _record("track", "old-1", {"userId": "late"})]
    broken = b'{"broken'
    made.append(NewRecord("rejected", broken, {**_headers(), "reason": "not json"}, oracle.derived_id(DEFAULT_HEADERS["source"], broken)))
    return made


def _headers() -> dict[str, str]:
    return {**DEFAULT_HEADERS, "schema": SCHEMA, "seq": str(next(numbers))}


def _record(kind: str, id_: str, rest: dict[str, Any]) -> NewRecord:
    value = json.dumps({"type": kind, "messageId": id_, **rest}, ensure_ascii=False).encode()
    return NewRecord(kind, value, _headers(), id_)


def check(stack: Stack, url: str) -> tuple[int, list[dict[str, Any]]]:
    """What `check --schema` finds in the database; Kafka is well."""
    settings = {"KAFKA_BROKERS": stack.env["KAFKA_BROKERS"], "DATABASE_URL": url}
    done = run(stack.env["LOADER_BIN"], "check", "--schema", SCHEMA, "--json", settings=settings)
    return done.returncode, json.loads(done.stdout)["findings"]


def old_rows(database: Database, columns: dict[str, list[str]]) -> dict[str, list[Row]]:
    """What the old tables hold in their old columns, of rows that were there."""
    return {table: [{name: row[name] for name in names if name in row} for row in database.rows(SCHEMA, table)
                    if row.get("message_id", "old-").startswith("old-")] for table, names in columns.items()}


@pytest.fixture(scope="module")
def url(session_stack: Stack) -> str:
    """A database with the schema as Stitch left it."""
    session_stack.make_topics(PREFIX)
    made = session_stack.make_database("taken_over")
    database = Database(made)
    database.query((DATA / "existing" / "stitch.sql").read_text())
    database.close()
    return made


def test_the_schema_is_taken_over(stack: Stack, url: str, tmp_path: Path) -> None:
    database = Database(url)
    types = {table: database.columns(SCHEMA, table) for table in TABLES}
    before = old_rows(database, {table: list(columns) for table, columns in types.items()})
    assert len(before["track"]) == 2 and all(before.values())

    code, findings = check(stack, url)
    problems = [finding["message"] for finding in findings if not finding["ok"]]
    assert code == 1 and len(problems) == 2, problems
    for problem in problems:  # what is missing is said as the statement that makes it
        found = re.search(r'CREATE UNIQUE INDEX CONCURRENTLY ON "stitch_old"\."\w+" \(message_id COLLATE "C"\)', problem)
        assert found is not None, problem
        database.query(found[0])
    code, findings = check(stack, url)
    assert code == 0, [finding for finding in findings if not finding["ok"]]
    _check_promises(findings)

    log = KafkaLog(stack.env["KAFKA_BROKERS"], PREFIX)
    with stack.another_loader(tmp_path / "loader.log", url, "taking-over", KAFKA_TOPIC_PREFIX=PREFIX):
        log.produce(records())
        wait_loaded(log, database, 60, "taking-over")

    after = {table: database.columns(SCHEMA, table) for table in TABLES}
    for table, columns in types.items():
        assert {name: after[table][name].type for name in columns} == {name: column.type for name, column in columns.items()}
    assert old_rows(database, {table: list(columns) for table, columns in types.items()}) == before
    _check_new_rows(log, database)
    database.close()


def _check_promises(findings: list[dict[str, Any]]) -> None:
    """Each column of each table once, with what will become of it."""
    told = {match[1]: match[2] for finding in findings if finding["what"] == "column"
            if (match := re.match(r"stitch_old\.(\S+) \([^)]*(?:\([0-9]+\))?\): (.*)", finding["message"]))}
    assert len(told) == 29 + 11
    assert "properties__total__st" in told["track.properties__total"]
    assert "split of properties__quantity" in told["track.properties__quantity__bi"]
    assert "split of properties__score" in told["track.properties__score__do"]
    assert "NULL in new rows" in told["track.properties__OldName"]
    assert "more than 36 characters are rejected" in told["identify.message_id"]


def _check_new_rows(log: KafkaLog, database: Database) -> None:
    """As the oracle says, from the columns that Stitch made."""
    types = {table: {name: column.type for name, column in database.columns(SCHEMA, table).items()} for table in ("track", "identify")}
    outcomes = expected_outcomes(log.read(), types)
    for table in types:
        stored = {row["message_id"]: row for row in database.rows(SCHEMA, table) if not row["message_id"].startswith("old-")}
        wanted = {outcome.row["message_id"]: outcome for outcome in outcomes
                  if isinstance(outcome, oracle.Row) and outcome.table == table and outcome.row["message_id"] != "old-1"}
        assert_same_ids(f"{SCHEMA}.{table}", wanted, stored)
        different = [text for id_, row in wanted.items() if (text := difference(row, stored[id_]))]
        assert not different, "\n".join(different)
    rejected = [(row.message_id, row.reason) for row in database.rejected(SCHEMA) if row.message_id is not None]
    assert sorted(rejected) == sorted((outcome.message_id, outcome.reason) for outcome in outcomes if isinstance(outcome, oracle.Rejected))
    assert len(rejected) == 2 and database.count(SCHEMA, "_sdc_rejected") == 3

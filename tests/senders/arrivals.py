"""What must be true after a sender's run: every event acknowledged once, nothing sent again, every row exact."""

from __future__ import annotations

from typing import Any

from calls import check_rows
from comparison import check_schema
from database import Database
from gate import Gate
from kafka_log import KafkaLog
from loading import wait_loaded
from stack import Source


def check_all_arrived(gate: Gate, source: Source, log: KafkaLog, database: Database, calls: list[dict[str, Any]]) -> None:
    """Exactly one row a call: as the library sent it (the oracle, from Kafka's bytes) and as the caller meant it."""
    wait_loaded(log, database)
    tally = check_schema(log.read(), database, source.schema)
    assert (tally.loaded, tally.copies, tally.rejected, tally.suppressed) == (len(calls), 0, 0, 0), (tally, gate.statuses)
    check_rows(database, source.schema, calls)


def check_nothing_twice(gate: Gate) -> None:
    """No event was acknowledged twice: the sender took each 200 for what it is."""
    twice = {id_: times for id_, times in gate.acknowledged.items() if times != 1}
    assert not twice, twice


def check_no_trouble(gate: Gate, report: dict[str, Any]) -> None:
    """Neither the library nor ingest saw anything wrong."""
    assert report["errors"] == [], report
    wrong = [(request.method, request.path, request.status, request.answer) for request in gate.passed if request.status not in (200, 204)]
    assert not wrong, wrong

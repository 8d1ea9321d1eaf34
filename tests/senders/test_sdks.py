"""Segment's and RudderStack's libraries for servers, each with its own program: all calls arrive, once, exact; after a 503 its own retry
delivers the rest."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from arrivals import check_all_arrived, check_no_trouble, check_nothing_twice
from calls import as_json, calls_of
from database import Database
from drivers import go, java, node, python, run
from gate import Gate
from kafka_log import KafkaLog
from stack import TYPES, Source


@dataclass(frozen=True)
class Sender:
    command: list[str]
    kinds: tuple[str, ...] = TYPES
    options: tuple[str, ...] = ()


SENDERS = {
    "node": Sender(node("analytics_node.mjs")),
    "python": Sender(python("analytics_python.py")),
    "python gzip": Sender(python("analytics_python.py"), options=("gzip",)),
    "go": Sender(go()),
    "java": Sender(java("AnalyticsJava")),
    "rudder node": Sender(node("rudder_node.mjs")),
    "rudder python": Sender(python("rudder_python.py")),
}


@pytest.mark.parametrize("name", SENDERS)
def test_every_call_arrives_once_and_exact(name: str, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    sender = SENDERS[name]
    calls = calls_of(*sender.kinds)
    report = run([*sender.command, gate.url, source.write_key, *sender.options], as_json(calls))
    check_no_trouble(gate, report)
    check_nothing_twice(gate)
    check_all_arrived(gate, source, log, database, calls)


@pytest.mark.parametrize("name", SENDERS)
def test_its_own_retry_delivers_everything_after_a_503(name: str, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    sender = SENDERS[name]
    calls = calls_of(*sender.kinds)
    gate.refuse_next(2)
    report = run([*sender.command, gate.url, source.write_key, *sender.options], as_json(calls))
    assert gate.statuses[503] == 2, gate.statuses
    assert report["errors"] == [], report
    check_nothing_twice(gate)
    check_all_arrived(gate, source, log, database, calls)

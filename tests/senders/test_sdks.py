"""Segment's and RudderStack's libraries for servers, each with its own program: all calls arrive, once, exact; after a 503 its own retry
delivers the rest."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from arrivals import check_all_arrived, check_no_trouble, check_nothing_twice
from calls import as_json, calls_of
from database import Database
from drivers import go, java, node, python, run
from gate import Gate
from kafka_log import KafkaLog
from loading import wait_loaded
from stack import TYPES, Source, Stack


@dataclass(frozen=True)
class Sender:
    command: list[str]
    kinds: tuple[str, ...] = TYPES
    options: tuple[str, ...] = ()


SENDERS = {
    "node": Sender(node("analytics_node.mjs"), options=("@segment/analytics-node",)),
    "node 2": Sender(node("analytics_node.mjs"), options=("analytics-node-before",)),
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


def test_a_large_body_of_curl_is_taken_after_100_continue(gate: Gate, session_stack: Stack, source: Source, log: KafkaLog,
                                                          database: Database, tmp_path: Path) -> None:
    """PHP's forked curl, and people: from 1 MB on curl asks before it sends. Straight to ingest: the gate would answer for it."""
    events = [{"type": "track", "messageId": f"curl-{number}", "userId": "u", "event": "E", "properties": {"text": "x" * 20_000}}
              for number in range(100)]
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"batch": events}))
    done = subprocess.run(["curl", "-sv", "--http1.1", "-u", f"{source.write_key}:", "-H", "Content-Type: application/json", "--data-binary",
                           f"@{body}", f"{session_stack.env['INGEST_URL']}/v1/batch"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == '{"success":true}'
    assert "Expect: 100-continue" in done.stderr and "HTTP/1.1 100 Continue" in done.stderr
    wait_loaded(log, database)
    assert database.count(source.schema, "track") == 100

"""analytics.js in a real Chromium, on a page of another origin: it starts from ingest's settings, no call is lost, and the console stays
empty."""

from __future__ import annotations

import json
import shutil

import pytest

from arrivals import check_all_arrived, check_no_trouble, check_nothing_twice
from calls import calls_of
from database import Database
from drivers import finish, node, start
from gate import Gate
from kafka_log import KafkaLog
from stack import TYPES, Source
from waiting import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"


def browse(mode: str, gate: Gate, source: Source, calls: list[dict[str, object]]) -> dict[str, object]:
    """Opens the page, makes the calls, and closes the browser when all of them were acknowledged."""
    process = start([*node("browser.mjs"), gate.url, source.write_key, mode, CHROMIUM])
    assert process.stdin is not None
    process.stdin.write(json.dumps(calls).encode() + b"\n")
    process.stdin.flush()

    def have_arrived() -> bool:
        assert process.poll() is None, process.communicate()
        return len(gate.acknowledged) == len(calls)

    try:
        wait_until(have_arrived, f"{len(calls)} events acknowledged", 90)
    except AssertionError:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{len(gate.acknowledged)} of {len(calls)}; {gate.statuses}; {out!r} {err!r}") from None
    return finish(process, b"end\n")


@pytest.mark.parametrize("mode", ["default", "batching", "unload"])
def test_every_call_of_a_page_arrives_once_and_the_console_is_empty(
        mode: str, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    calls = calls_of(*TYPES)
    report = browse(mode, gate, source, calls)
    check_no_trouble(gate, report)
    check_nothing_twice(gate)
    check_all_arrived(gate, source, log, database, calls)
    preflights = [request for request in gate.passed if request.method == "OPTIONS"]
    assert preflights, "the page asks nothing before it sends: is it of the same origin?"


@pytest.mark.parametrize("mode", ["default", "batching"])
def test_its_own_retry_delivers_everything_after_a_503(
        mode: str, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    calls = calls_of(*TYPES)
    gate.refuse_next(2)
    browse(mode, gate, source, calls)
    assert gate.statuses[503] == 2, gate.statuses
    assert [request for request in gate.passed if "x-retry-count" in request.headers], "the retry came without its header"
    check_nothing_twice(gate)
    check_all_arrived(gate, source, log, database, calls)

"""analytics.js in a real Chromium, on a page of another origin: it starts from ingest's settings, no call is lost, and the console stays
empty."""

from __future__ import annotations

import shutil

import pytest

from arrivals import check_all_arrived, check_no_trouble, check_nothing_twice
from calls import as_json, calls_of
from database import Database
from drivers import node, run_until
from gate import Gate
from kafka_log import KafkaLog
from stack import TYPES, Source

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
TODAY = "@segment/analytics-next"
BEFORE = "analytics-next-before"  # 1.83: no Authorization header, hence no preflight; other retries


def browse(mode: str, gate: Gate, source: Source, calls: list[dict[str, object]], package: str = TODAY) -> dict[str, object]:
    """Opens the page, makes the calls, and closes the browser when all of them were acknowledged."""
    command = [*node("browser.mjs"), gate.url, source.write_key, mode, CHROMIUM, package]
    report: dict[str, object] = run_until(command, as_json(calls), lambda: len(gate.acknowledged) == len(calls), "all calls acknowledged")
    return report


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


@pytest.mark.parametrize("refused", [0, 2])
def test_pages_with_an_older_version_lose_nothing_either(  # noqa: PLR0913
        refused: int, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    calls = calls_of(*TYPES)
    gate.refuse_next(refused)
    report = browse("default", gate, source, calls, BEFORE)
    assert gate.statuses[503] == refused, gate.statuses
    if refused == 0:
        check_no_trouble(gate, report)
    assert not [request for request in gate.passed if request.method == "OPTIONS"]
    check_nothing_twice(gate)
    check_all_arrived(gate, source, log, database, calls)

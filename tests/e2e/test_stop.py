"""SIGTERM and SIGKILL under load: what is acknowledged is loaded, nobody gets an answer that ends an event."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from comparison import assert_same_ids, check_schema
from database import Database
from event_maker import make_events, mixed_requests
from kafka_log import KafkaLog
from loading import wait_loaded
from ports import free_port
from programs import Program, is_ready
from senders import Client, Senders, basic, send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 4_000
QUICK_SECONDS = 15.0  # far below any time-out that would end it


def send_through(url: str, source: Source, log: KafkaLog, database: Database, during: Callable[[Senders], None]) -> None:
    """Sends while `during` happens; every event is acknowledged in the end, and loaded once."""
    events = make_events("stop", EVENTS)
    start = log.ends()
    report = send_all(url, mixed_requests(events, source), during=during)
    assert report.refused == []
    assert report.statuses.keys() <= {200, 503}
    assert_same_ids("acknowledged", [event.message_id for event in events], report.acknowledged)
    wait_loaded(log, database)
    tally = check_schema(log.read(start), database, source.schema)
    assert tally.loaded == EVENTS
    print(f"{dict(report.statuses)}, {report.broken} broken, {tally.copies} copies")


def wait_acknowledged(senders: Senders, count: int) -> None:
    wait_until(lambda: senders.acknowledged > count, f"{count} events acknowledged")


def start_ingest(stack: Stack, log: Path, port: int, admin: int, **more: str) -> Program:
    settings = {**stack.ingest_settings, **more, "INGEST_LISTEN": f"127.0.0.1:{port}",
                "INGEST_ADMIN_LISTEN": f"127.0.0.1:{admin}"}
    program = Program(log, [stack.env["INGEST_BIN"], "serve"], **settings)
    program.wait_ready(admin)
    return program


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGKILL, -9)], ids=["SIGTERM", "SIGKILL"])
def test_ingest_stopped_and_started_under_load(number: signal.Signals, code: int, stack: Stack, source: Source,
                                               log: KafkaLog, database: Database, tmp_path: Path) -> None:
    """A second ingest of the same registry and Kafka, so that its exit code can be seen."""
    port, admin = free_port(), free_port()
    running = [start_ingest(stack, tmp_path / "ingest.log", port, admin)]
    codes = []

    def stop_and_start(senders: Senders) -> None:
        for turn in (1, 2, 3):
            wait_acknowledged(senders, turn * EVENTS // 5)
            running[-1].send(number)
            codes.append(running[-1].wait())
            running.append(start_ingest(stack, tmp_path / "ingest.log", port, admin))

    try:
        send_through(f"http://127.0.0.1:{port}", source, log, database, stop_and_start)
        assert codes == [code] * 3
    finally:
        for program in running:
            program.__exit__(None, None, None)


def test_loader_ends_with_0_soon_after_sigterm_and_loses_nothing(stack: Stack, source: Source, log: KafkaLog,
                                                                 database: Database, tmp_path: Path) -> None:
    """A fourth loader in the stack's group, stopped in the middle of its work."""
    times = []
    with stack.another_loader(tmp_path / "loader.log", stack.env["DATABASE_URL"], "backstitch-loader") as loader:
        wait_until(lambda: "event=partitions_started" in loader.text(), "it has its partitions")

        def stop(senders: Senders) -> None:
            wait_acknowledged(senders, EVENTS // 3)
            times.append(stop_timed(loader))

        send_through(stack.env["INGEST_URL"], source, log, database, stop)
    assert times[0][0] == 0 and times[0][1] < QUICK_SECONDS
    assert database.statistics(source.schema)["rows_duplicate"] == 0


def stop_timed(program: Program) -> tuple[int, float]:
    """Its exit code and how long it took."""
    start = time.monotonic()
    return program.stop(), time.monotonic() - start


def test_ingest_serves_on_while_it_drains_and_a_second_sigterm_ends_it_at_once(stack: Stack, source: Source,
                                                                               tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    with start_ingest(stack, tmp_path / "ingest.log", port, admin, INGEST_DRAIN_DELAY="20s") as ingest:
        ingest.send(signal.SIGTERM)
        wait_until(lambda: not is_ready(admin), "not ready any more", 5)
        client = Client(f"http://127.0.0.1:{port}")
        assert client.post("/v1/track", b'{"type":"track"}', basic(source.write_key)).status == 200
        client.close()
        assert ingest.runs
        ingest.send(signal.SIGTERM)
        assert ingest.wait(QUICK_SECONDS) in (0, 3)

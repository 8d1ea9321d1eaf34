"""A spool that was left behind: `drain` brings it to Kafka, and every event is loaded once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from comparison import assert_same_ids, check_schema
from database import Database
from event_maker import make_events, mixed_requests
from ingest_server import IngestServer
from kafka_log import KafkaLog
from loading import wait_loaded
from ports import free_port
from programs import run
from senders import send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 1_500


@pytest.fixture
def ingest(stack: Stack, tmp_path: Path) -> Iterator[IngestServer]:
    """An ingest that knows the stack's sources and never finds its Kafka: all goes to the spool."""
    nobody = f"127.0.0.1:{free_port()}"
    spool = tmp_path / "spool"
    with IngestServer(Path(stack.env["INGEST_BIN"]), tmp_path, nobody, INGEST_SPOOL_DIR=str(spool),
                      INGEST_KAFKA_ACK_TIMEOUT="200ms") as server:
        server.settings["INGEST_SOURCES_FILE"] = stack.ingest_settings["INGEST_SOURCES_FILE"]
        yield server


def drain(ingest: IngestServer, brokers: str, *flags: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    done = run(str(ingest.binary), "drain", *flags, settings={**ingest.settings, "KAFKA_BROKERS": brokers})
    return done.returncode, done.stdout, done.stderr


def spooled(ingest: IngestServer) -> float:
    return ingest.metric("ingest_spool_records")


def test_a_killed_ingest_s_spool_is_drained_by_hand(ingest: IngestServer, stack: Stack, source: Source, log: KafkaLog,
                                                    database: Database) -> None:
    events = make_events("spool", EVENTS)
    start = log.ends()
    ingest.start()
    report = send_all(ingest.url, mixed_requests(events, source))
    assert report.statuses.keys() == {200} and report.refused == []
    assert_same_ids("acknowledged", [event.message_id for event in events], report.acknowledged)
    assert spooled(ingest) >= EVENTS
    figures = ingest.metrics()
    assert figures["ingest_spool_capacity_bytes"] == 1 << 30
    assert figures["ingest_spool_bytes"] > 0 and figures["ingest_spool_oldest_age_seconds"] > 0
    assert figures["ingest_spool_fsync_seconds_count"] > 0 and figures["ingest_spool_corrupt_records_total"] == 0

    code, _, why = drain(ingest, log.brokers)
    assert code == 1 and f"in use by another process (pid {ingest.pid})" in why
    ingest.kill()

    code, told, said = drain(ingest, f"127.0.0.1:{free_port()}", "--timeout", "1s")
    assert code == 3 and f"{EVENTS} records are left" in told and "event=spool_draining" in said

    code, told, _ = drain(ingest, log.brokers, "--json")
    assert code == 0, told
    assert json.loads(told) == {"records_left": 0, "segments_left": 0, "corrupt_records": 0, "unread_files": 0}
    assert os.listdir(ingest.settings["INGEST_SPOOL_DIR"]) == ["lock"]

    wait_loaded(log, database, 60)
    tally = check_schema(log.read(start), database, source.schema)
    assert (tally.loaded, tally.rejected) == (EVENTS, 0)


def test_the_next_process_takes_a_spool_up(ingest: IngestServer, stack: Stack, source: Source, log: KafkaLog,
                                           database: Database) -> None:
    """An orderly stop leaves it as well, and says so by its exit code."""
    events = make_events("next", EVENTS)
    start = log.ends()
    ingest.start()
    assert send_all(ingest.url, mixed_requests(events, source)).statuses.keys() == {200}
    assert ingest.stop() == 3
    ingest.settings["KAFKA_BROKERS"] = log.brokers
    ingest.start()
    wait_until(lambda: spooled(ingest) == 0, "the spool is drained", 30)
    assert ingest.stop() == 0
    wait_loaded(log, database, 60)
    tally = check_schema(log.read(start), database, source.schema)
    assert (tally.loaded, tally.rejected) == (EVENTS, 0)


def test_damage_costs_what_is_damaged_and_is_kept(ingest: IngestServer, stack: Stack, source: Source, log: KafkaLog,
                                                  database: Database) -> None:
    events = make_events("damage", EVENTS)
    start = log.ends()
    ingest.start()
    assert send_all(ingest.url, mixed_requests(events, source)).statuses.keys() == {200}
    ingest.process.send(signal.SIGKILL)
    ingest.process.wait()
    segment = Path(ingest.settings["INGEST_SPOOL_DIR"]) / "000000000001.spool"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    code, told, said = drain(ingest, log.brokers)
    assert code == 1 and "1 files there could not be read and are kept" in told
    assert "event=spool_damaged" in said and "event=spool_file_set_aside" in said
    assert sorted(os.listdir(segment.parent)) == ["000000000001.spool.damaged", "lock"]
    wait_loaded(log, database, 60)
    tally = check_schema(log.read(start), database, source.schema)
    assert tally.loaded == EVENTS - 1


@pytest.mark.parametrize("flags, why", [((), "INGEST_SPOOL_DIR"), (("--spool-dir", "/no/such/folder"), "/no/such/folder")],
                         ids=["none", "missing"])
def test_without_a_folder_there_is_nothing_to_drain(flags: tuple[str, ...], why: str, stack: Stack) -> None:
    done = run(stack.env["INGEST_BIN"], "drain", *flags, settings={"KAFKA_BROKERS": stack.env["KAFKA_BROKERS"]})
    assert done.returncode == 2 and why in done.stderr
    assert not Path("/no/such/folder").exists()

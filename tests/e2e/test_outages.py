"""Kafka or PostgreSQL away: at the start, in the middle, orderly and by a crash. Every acknowledged event is loaded once."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from comparison import assert_same_ids, check_schema
from database import Database
from event_maker import make_events, mixed_requests
from kafka_log import KafkaLog
from loading import wait_loaded
from senders import Client, Report, Senders, basic, send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 4_000
ANSWER_SECONDS = 4.5  # 4 s after the last byte, and a busy machine's delay


def send_through(stack: Stack, source: Source, log: KafkaLog, database: Database,
                 fault: Callable[[], None]) -> Report:
    """Sends while the fault happens; compares everything when all is well again."""
    events = make_events("outage", EVENTS)
    start = log.ends()

    def break_in_the_middle(senders: Senders) -> None:
        wait_until(lambda: senders.acknowledged > EVENTS // 10, "a tenth of the events acknowledged")
        fault()

    report = send_all(stack.env["INGEST_URL"], mixed_requests(events, source), during=break_in_the_middle)
    assert report.refused == []
    assert_same_ids("acknowledged", [event.message_id for event in events], report.acknowledged)
    wait_drained(stack)
    wait_loaded(log, database, 60)
    tally = check_schema(log.read(start), database, source.schema)
    assert (tally.loaded, tally.rejected) == (EVENTS, 0)
    assert database.statistics(source.schema)["rows_new"] == EVENTS
    print(f"{dict(report.statuses)}, {report.broken} broken, slowest {report.slowest:.2f} s, {tally.copies} copies")
    return report


def wait_drained(stack: Stack) -> None:
    """Until all that ingest has acknowledged is in Kafka."""
    wait_until(lambda: stack.ingest_metric("ingest_spool_records") == 0, "the spool is drained")


def is_well(stack: Stack) -> bool:
    """Our programs are the same processes as before: an outage ends nobody."""
    return all(stack.runs(part) for part in ("ingest", *stack.loaders))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_postgresql_restarted_under_load(number: signal.Signals, stack: Stack, source: Source, log: KafkaLog,
                                         database: Database) -> None:
    """SIGQUIT is pg_ctl -m immediate: no checkpoint, recovery at the start. Ingest does not notice either."""
    def restart() -> None:
        stack.end("postgres", number)
        stack.must("restart", "postgres")

    before = {part: stack.pid(part) for part in ("ingest", *stack.loaders)}
    report = send_through(stack, source, log, database, restart)
    assert report.statuses.keys() == {200}
    assert before == {part: stack.pid(part) for part in before} and is_well(stack)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["orderly", "killed"])
def test_kafka_restarted_under_load(number: signal.Signals, stack: Stack, source: Source, log: KafkaLog,
                                    database: Database) -> None:
    """Ingest goes on acknowledging, in time: what Kafka does not take goes to the spool."""
    before = stack.ingest_metric('ingest_events_total', 'outcome="spool"')

    def restart() -> None:
        stack.end("kafka", number)
        stack.must("restart", "kafka")

    report = send_through(stack, source, log, database, restart)
    assert report.statuses.keys() == {200}
    assert report.slowest < ANSWER_SECONDS
    assert stack.ingest_metric('ingest_events_total', 'outcome="spool"') > before
    assert is_well(stack)


def test_ingest_and_loader_start_while_kafka_is_away(stack: Stack, source: Source, client: Client, log: KafkaLog,
                                                     database: Database) -> None:
    stack.end("kafka", signal.SIGTERM)
    sizes = {part: stack.log_size(part) for part in ("ingest", "loader")}
    stack.must("restart", "ingest")
    stack.must("restart", "loader")
    assert "event=loader_stopped exit_code=0" in stack.log("loader")[sizes["loader"]:], "it had to be killed"
    answer = client.post("/v1/track", b'{"type":"track","messageId":"early"}', basic(source.write_key))
    assert answer.status == 200 and answer.seconds < ANSWER_SECONDS
    for part, size in sizes.items():
        assert_outage_is_said_once(stack, part, size, "kafka")
    stack.must("restart", "kafka")
    late = b'{"type":"track","messageId":"late"}'
    wait_until(lambda: client.post("/v1/track", late, basic(source.write_key)).status == 200, "ingest accepts again")
    wait_drained(stack)
    wait_loaded(log, database, 60)
    assert {"early", "late"} == {row["message_id"] for row in database.rows(source.schema, "track")}


def test_loader_starts_while_postgresql_is_away(stack: Stack, source: Source, client: Client, log: KafkaLog,
                                                database: Database) -> None:
    stack.end("postgres", signal.SIGINT)
    size = stack.log_size("loader")
    stack.must("restart", "loader")
    answer = client.post("/v1/track", b'{"type":"track","messageId":"meanwhile"}', basic(source.write_key))
    assert answer.status == 200
    assert_outage_is_said_once(stack, "loader", size, "postgres")
    stack.must("restart", "postgres")
    wait_loaded(log, database, 60)
    assert [row["message_id"] for row in database.rows(source.schema, "track")] == ["meanwhile"]


def assert_outage_is_said_once(stack: Stack, part: str, size: int, server: str) -> None:
    """One line at its start names the server; retries say nothing. The process before it may have said so too."""
    def lines() -> list[str]:
        _, _, said = stack.log(part)[size:].rpartition(f"event={part}_stopped")
        return [line for line in said.splitlines()
                if server in line.lower() and ("level=warn" in line or "level=error" in line)]

    wait_until(lines, f"{part} says that {server} is away")
    assert len(lines()) == 1, lines()

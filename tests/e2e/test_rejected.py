"""What was rejected is listed, shown as it was sent, and loaded when it can be: from Kafka, and gone from _sdc_rejected with its row."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from database import Database
from event_maker import Event, mixed_requests, plain_events
from kafka_log import KafkaLog
from loader_command import LoaderCommand
from loading import wait_loaded
from own_log import SCHEMA, own_log
from programs import kill_again_and_again
from senders import send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 240
KILLS = int(os.environ.get("KILLS", "6"))
TYPES = 6
REFUSED_USER = "3"
CONSTRAINT = "nobody_3"


class Rejecting:
    """A source whose table track refuses one user, and the three commands."""

    def __init__(self, stack: Stack, source: Source, database: Database, log: KafkaLog) -> None:
        self.stack, self.source, self.database, self.log = stack, source, database, log
        self.schema, self.start = source.schema, log.ends()
        self.list, self.show, self.retry = (LoaderCommand(stack, "rejected", name) for name in ("list", "show", "retry"))

    def send(self, events: list[Event]) -> None:
        assert send_all(self.stack.env["INGEST_URL"], mixed_requests(events, self.source)).refused == []
        wait_loaded(self.log, self.database, 60)

    def refuse(self) -> None:
        self.database.query(f'ALTER TABLE "{self.schema}".track ADD CONSTRAINT {CONSTRAINT} '
                            f"CHECK (user_id IS DISTINCT FROM '{REFUSED_USER}') NOT VALID")

    def accept(self) -> None:
        self.database.query(f'ALTER TABLE "{self.schema}".track DROP CONSTRAINT {CONSTRAINT}')

    def rejected(self) -> list[tuple[Any, ...]]:
        return self.database.query(f'SELECT message_id, attempts FROM "{self.schema}"._sdc_rejected ORDER BY 1')

    def tracks(self) -> int:
        return int(self.database.value(f'SELECT count(*) FROM "{self.schema}".track WHERE user_id = %s', (REFUSED_USER,)))

    def try_again(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.retry.run("--schema", self.schema, "--execute", *flags)


@pytest.fixture
def rejecting(stack: Stack, source: Source, database: Database, log: KafkaLog) -> Iterator[Rejecting]:
    found = Rejecting(stack, source, database, log)
    found.send(plain_events(f"before-{source.schema}", TYPES))  # the tables are there
    found.refuse()
    found.send(plain_events(f"rejected-{source.schema}", EVENTS, users=8))
    assert len(found.rejected()) == EVENTS // TYPES // 8
    yield found


def test_it_is_listed_by_reason_and_shown_as_it_was_sent(rejecting: Rejecting) -> None:
    found = rejecting.list.must("--schema", rejecting.schema)["rejected"]
    assert [(row["schema"], row["table"], row["reason"], row["events"]) for row in found] == [
        (rejecting.schema, "track", "constraint", len(rejecting.rejected()))]
    text = rejecting.list.run("--schema", rejecting.schema)
    assert text.returncode == 0 and re.search(rf"{rejecting.schema} +track +constraint +5 ", text.stdout)
    assert found[0]["last_message_id"] in text.stdout and CONSTRAINT in found[0]["last_reason"]
    event = rejecting.show.must(found[0]["last_message_id"])["events"][0]
    sent = json.loads(event["record"])
    assert (sent["messageId"], sent["userId"]) == (event["message_id"], REFUSED_USER) and event["topic"] == "segment.track"
    record = next(record for record in rejecting.log.read(rejecting.start)
                  if record.key.decode() == event["message_id"])
    assert (record.partition, record.offset) == (event["kafka_partition"], event["kafka_offset"])
    shown = rejecting.show.run(event["message_id"])
    assert f"{event['topic']}:{event['kafka_partition']}:{event['kafka_offset']}" in shown.stdout and event["record"] in shown.stdout


def test_what_can_be_loaded_now_is_a_row_and_no_longer_rejected(rejecting: Rejecting) -> None:
    count = len(rejecting.rejected())
    shown = rejecting.retry.run("--schema", rejecting.schema)
    assert shown.returncode == 0 and f"to be read again: {count}\n" in shown.stdout and "--execute" in shown.stderr
    still = rejecting.try_again()
    assert still.returncode == 0 and f"rejected before: {count}, now: {count}" in still.stdout, still.stderr
    assert {attempts for _, attempts in rejecting.rejected()} == {2} and rejecting.tracks() == 0
    rejecting.accept()
    done = rejecting.try_again("--reason", "constraint")
    assert done.returncode == 0 and f"rejected before: {count}, now: 0" in done.stdout, done.stderr
    assert rejecting.rejected() == [] and rejecting.tracks() == count
    again = rejecting.try_again()
    assert again.returncode == 0 and "rejected events that match: 0" in again.stdout


def test_only_those_that_are_meant(rejecting: Rejecting) -> None:
    rejecting.accept()
    for flags in (("--reason", "not json"), ("--since", "2999-01-01"), ("--until", "1999-01-01")):
        assert "rejected events that match: 0" in rejecting.try_again(*flags).stdout
    assert rejecting.tracks() == 0
    assert rejecting.try_again("--since", "1999-01-01", "--until", "2999-01-01").returncode == 0
    assert rejecting.rejected() == []


def test_what_ingest_refused_stays(rejecting: Rejecting) -> None:
    bad = f"bad-{rejecting.schema}"
    rejecting.send([Event("track", bad, b'{"type":"nonsense","messageId":"%s"}' % bad.encode())])
    rejecting.accept()
    done = rejecting.try_again()
    assert done.returncode == 0 and "1 were refused by ingest" in done.stdout
    assert [id_ for id_, _ in rejecting.rejected()] == [bad]


def test_a_deleted_user_is_not_loaded_by_a_retry(rejecting: Rejecting) -> None:
    rejecting.database.query("""INSERT INTO backstitch.deletion (message_id, "schema", user_id, requested_at)
                                VALUES ('asked', %s, %s, now())""", (rejecting.schema, REFUSED_USER))
    rejecting.accept()
    done = rejecting.try_again()
    assert done.returncode == 0 and "suppressed" in done.stdout, done.stdout
    assert rejecting.tracks() == 0 and rejecting.rejected() == []


def test_killed_in_the_middle_it_goes_on(rejecting: Rejecting) -> None:
    count = len(rejecting.rejected())
    rejecting.accept()
    kill_again_and_again(lambda: rejecting.retry.start("--schema", rejecting.schema, "--execute"), KILLS, Random(rejecting.schema), 0.02, 0.3)
    assert rejecting.try_again().returncode == 0
    assert rejecting.rejected() == [] and rejecting.tracks() == count


def test_after_retention_it_says_so(stack: Stack, tmp_path: Path) -> None:
    """And what is left to do."""
    with own_log(stack, tmp_path, "rejected-cut") as own:
        own.load(0, range(3))
        own.database.query(f"ALTER TABLE {SCHEMA}.track ADD CONSTRAINT closed CHECK (message_id < 'm3') NOT VALID")
        own.load(0, range(3, 5))
        own.database.query(f"ALTER TABLE {SCHEMA}.track DROP CONSTRAINT closed")
        own.log.cut("track")
        retry = own.command("rejected", "retry")
        gone = retry.run("--execute")
        assert gone.returncode == 1 and "2 are no longer in Kafka" in gone.stdout and "--allow-partial" in gone.stderr
        assert retry.run("--execute", "--allow-partial").returncode == 0
        assert own.database.value(f"SELECT count(*) FROM {SCHEMA}._sdc_rejected") == 2


def test_events_that_ingest_refused_are_listed_of_a_source_that_has_no_rows(stack: Stack, source: Source, log: KafkaLog,
                                                                            database: Database) -> None:
    bad = f"only-{source.schema}"
    found = Rejecting(stack, source, database, log)
    found.send([Event("track", bad, b'{"type":"nonsense","messageId":"%s"}' % bad.encode())])
    wait_until(lambda: found.list.run("--schema", source.schema).returncode == 0, "the source is known")
    assert [row["last_message_id"] for row in found.list.must("--schema", source.schema)["rejected"]] == [bad]
    assert found.show.must(bad)["events"][0]["reason"].startswith("unknown event type")


@pytest.mark.parametrize("flags, code, words", [
    (("list", "--since", "yesterday"), 2, "a time is wanted"),
    (("list", "--schema", "nowhere"), 1, "there is no such schema"),
    (("show", "no such id"), 1, "no event with this id was rejected"),
    (("show",), 2, "MESSAGE_ID"),
    (("retry", "--until", "tomorrow"), 2, "a time is wanted"),
])
def test_wrong_flags(flags: tuple[str, ...], code: int, words: str, stack: Stack) -> None:
    refused = LoaderCommand(stack, "rejected").run(*flags)
    assert refused.returncode == code and words in refused.stderr, refused.stderr

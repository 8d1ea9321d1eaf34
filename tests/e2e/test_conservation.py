"""Random sequences of what senders, operators and humans do: after each step every acknowledged event is somewhere, and the ledger
adds up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from random import Random

import pytest

from database import Database
from event_maker import Event, mixed_requests, plain_events
from kafka_log import KafkaLog
from loader_command import LoaderCommand
from loading import wait_loaded
from programs import run
from senders import send_all
from stack import Source, Stack
from waiting import wait_until

SEEDS = [int(seed) for seed in os.environ.get("CONSERVATION_SEEDS", "1").split()]
STEPS = 16
USERS = 6
TYPES = ("identify", "track", "page", "screen", "group", "alias")
REFUSED_USER = "5"
MENDED_SECONDS = 90  # a table is tried again each minute


class Life:
    """A source, and what must be true of its events."""

    def __init__(self, seed: int, stack: Stack, source: Source, log: KafkaLog, database: Database) -> None:
        self.random = Random(seed)
        self.stack, self.source, self.log, self.database, self.schema = stack, source, log, database, source.schema
        self.events: dict[str, Event] = {}
        self.by_hand: set[str] = set()  # rows that a human has deleted
        self.erased: set[str] = set()   # users
        self.is_refusing = self.is_held = False
        self.done: list[str] = []

    def command(self, *name: str) -> LoaderCommand:
        return LoaderCommand(self.stack, *name)

    def send(self, events: list[Event]) -> None:
        assert send_all(self.stack.env["INGEST_URL"], mixed_requests(events, self.source, self.random.randrange(1000))).refused == []

    def some(self) -> list[Event]:
        return self.random.sample(list(self.events.values()), min(20, len(self.events)))

    # --- the steps ---

    def new_events(self) -> None:
        events = plain_events(f"life-{self.schema}-{len(self.events)}", self.random.randrange(6, 60), USERS)
        self.events |= {event.message_id: event for event in events}
        self.send(events)

    def copies(self) -> None:
        self.send(self.some())

    def imported_copies(self) -> None:
        path = self.stack.state / f"{self.schema}.json"
        path.write_bytes(b"".join(event.data + b"\n" for event in self.some()))
        done = run(self.stack.env["INGEST_BIN"], "import", "--source", self.source.slug, "--again",
                   "--progress-file", str(path.with_suffix(".progress")), str(path), settings=self.stack.ingest_settings)
        assert done.returncode == 0, done.stderr

    def rows_deleted_by_hand(self) -> None:
        table = self.random.choice(TYPES)
        if self.is_held and table == "page":
            return
        gone = self.database.query(f'DELETE FROM "{self.schema}"."{table}" WHERE message_id IN (SELECT message_id FROM '
                                   f'"{self.schema}"."{table}" ORDER BY 1 LIMIT 3) RETURNING message_id')
        self.by_hand |= {str(id_) for (id_,) in gone}

    def a_replay(self) -> None:
        if self.is_held:  # it would stop there, and say so
            return
        end = self.command("replay").must("--from-earliest", "--source", self.schema, "--execute")
        assert end["adds_up"] is True and end["state"] == "done"
        self.by_hand.clear()

    def refuse_or_accept(self) -> None:
        """A constraint over one user's rows in one table."""
        self.database.query(f'ALTER TABLE "{self.schema}".track ' + (
            "DROP CONSTRAINT refusing" if self.is_refusing else
            f"ADD CONSTRAINT refusing CHECK (user_id IS DISTINCT FROM '{REFUSED_USER}') NOT VALID"))
        self.is_refusing = not self.is_refusing

    def a_retry(self) -> None:
        if self.is_held:
            return
        done = self.command("rejected", "retry").run("--schema", self.schema, "--execute")
        assert done.returncode == 0, done.stderr

    def hold_or_mend(self) -> None:
        """A view under a table's name; the table waits beside it."""
        if self.is_held:
            self.database.query(f'DROP VIEW "{self.schema}".page; ALTER TABLE "{self.schema}".page_beside RENAME TO page')
            wait_until(lambda: self.held() == 0, "what waited is loaded", MENDED_SECONDS)
        else:
            self.database.query(f'ALTER TABLE "{self.schema}".page RENAME TO page_beside; '
                                f'CREATE VIEW "{self.schema}".page AS SELECT * FROM "{self.schema}".page_beside WHERE false')
        self.is_held = not self.is_held

    def an_erase(self) -> None:
        if self.is_held:
            return
        user = str(self.random.randrange(USERS))
        self.command("erase").must("--user-id", user, "--schema", self.schema)
        self.erased.add(user)

    # --- what must hold ---

    def held(self) -> int:
        return int(self.database.value('SELECT count(*) FROM backstitch.held WHERE "schema" = %s', (self.schema,)))

    def check(self) -> None:
        wait_loaded(self.log, self.database, 60)
        assert self.database.unaccounted() == []
        tables = [name if not (self.is_held and name == "page") else "page_beside" for name in TYPES]
        found = [str(id_) for table in tables if self.database.has_table(self.schema, table)
                 for (id_,) in self.database.query(f'SELECT message_id FROM "{self.schema}"."{table}"')]
        assert len(found) == len(set(found)), "an event is there twice"
        rejected = {str(id_) for (id_,) in self.database.query(f'SELECT message_id FROM "{self.schema}"._sdc_rejected')}
        for id_, event in self.events.items():
            user = json.loads(event.data)["userId"]
            is_somewhere = (id_ in found or id_ in rejected or id_ in self.by_hand or user in self.erased
                            or (self.is_held and event.type == "page"))
            assert is_somewhere, f"{id_} is nowhere"
        ledger = self.database.ledger(self.schema)
        assert ledger["held"] == 0 or self.is_held, ledger
        if not self.is_held:
            asked = self.command("audit", "--source", self.schema).run("--json")
            missing = {one["message_id"] for one in json.loads(asked.stdout)["missing"]}
            assert missing <= self.by_hand, "the audit misses what nobody has deleted"


@pytest.mark.parametrize("seed", SEEDS)
def test_every_acknowledged_event_is_somewhere_after_each_step(seed: int, stack: Stack, source: Source, log: KafkaLog,
                                                               database: Database) -> None:
    life = Life(seed, stack, source, log, database)
    steps: list[Callable[[], None]] = [
        life.new_events, life.new_events, life.copies, life.imported_copies, life.rows_deleted_by_hand, life.a_replay,
        life.refuse_or_accept, life.a_retry, life.hold_or_mend, life.an_erase]
    life.new_events()
    life.check()
    for _ in range(STEPS):
        step = life.random.choice(steps)
        life.done.append(step.__name__)
        print(" ".join(life.done[-1:]), flush=True)
        step()
        life.check()
    if life.is_held:
        life.hold_or_mend()
    if life.is_refusing:
        life.refuse_or_accept()
    life.a_retry()
    life.a_replay()
    life.check()
    assert life.database.query(f'SELECT message_id FROM "{life.schema}"._sdc_rejected') == []

"""Segment, as ingest sees it while something happens to the cluster: senders that do not stop, retry what Segment retries,
and know at the end which events were acknowledged; and the oracle that looks for each of them in PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import count
from types import TracebackType

from psycopg import sql

from database import Database
from event_maker import batch_requests, make_events, webhook_requests
from kafka_log import KafkaLog
from loading import wait_loaded
from senders import Client, Report, Request, deliver
from stack import Source

TIMEOUT_SECONDS = 5  # Segment's
REQUESTS_A_CONNECTION = 20  # then a new one, which the Service may give to another pod
EVENTS_A_ROUND = 50

rounds = count(1)
sent_before: set[str] = set()  # ids of all events that any load has sent, whatever became of its test: they share a source


class Load:
    """Threads that send events until told to stop, and then deliver what they have begun."""

    def __init__(self, url: str, source: Source, threads: int = 6, events_a_second: float = 200, give_up_after: float = 240) -> None:
        self._url = url
        self.source = source
        self._pause = threads / events_a_second
        self._give_up_after = give_up_after
        self._lock = threading.Lock()
        self._report = Report()
        self._asked: set[str] = set()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        self._began = time.monotonic()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> Report:
        """No new events; all that were begun are delivered or given up."""
        self._stop.set()
        for thread in self._threads:
            thread.join(self._give_up_after + 30)
            assert not thread.is_alive(), "a sender hangs"
        sent_before.update(self._asked)
        return self._report

    @property
    def acknowledged(self) -> int:
        with self._lock:
            return len(self._report.acknowledged)

    @property
    def report(self) -> Report:
        return self._report

    def summary(self) -> str:
        """For the protocol of a run."""
        r = self._report
        seconds = time.monotonic() - self._began
        refused = {status: n for status, n in sorted(r.statuses.items()) if status != 200}
        return (f"{len(r.acknowledged)} events acknowledged in {seconds:.0f} s by {sum(r.statuses.values())} answers; refused {refused or 0},"
                f" broken connections {r.broken}, slowest answer {r.slowest:.2f} s, final refusals {len(r.refused)}")

    def _work(self) -> None:
        while not self._stop.is_set():
            events = make_events(f"k{next(rounds)}", EVENTS_A_ROUND)
            requests = webhook_requests(events[:20], self.source, 1) + batch_requests(events[20:], self.source, 10)
            self._send(requests)

    def _send(self, requests: list[Request]) -> None:
        client = Client(self._url, timeout=TIMEOUT_SECONDS)
        for number, request in enumerate(requests):
            if self._stop.is_set():
                break
            if number % REQUESTS_A_CONNECTION == 0:
                client.close()
            with self._lock:
                self._asked.update(request.ids)
            start = time.monotonic()
            seen = deliver(client, request, self._give_up_after)
            with self._lock:
                self._report.add(seen)
            self._stop.wait(max(0.0, self._pause * len(request.ids) - (time.monotonic() - start)))
        client.close()


def ids_of(database: Database, schema: str) -> Counter[str]:
    """Message ids in the tables of a schema, and how often."""
    tables = [name for (name,) in database.query(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = %s AND column_name = 'message_id'"
        " AND table_name <> '_sdc_rejected'", (schema,))]
    found: Counter[str] = Counter()
    for table in tables:
        rows = database.query(sql.SQL("SELECT message_id FROM {}.{}").format(sql.Identifier(schema), sql.Identifier(table)))
        found.update(message_id for (message_id,) in rows)
    return found


def check_all(load: Load, log: KafkaLog, database: Database, seconds: float = 120) -> None:
    """At rest: every acknowledged event is one row, nothing else is there, and no sender was told to throw anything away."""
    report = load.end()
    print(load.summary())
    assert report.refused == [], report.refused[:3]
    assert report.acknowledged, "nothing was acknowledged: the run proves nothing"
    wait_loaded(log, database, seconds)
    rows = ids_of(database, load.source.schema)
    lost = report.acknowledged - rows.keys()
    assert not lost, f"{len(lost)} acknowledged events are not in PostgreSQL: {sorted(lost)[:5]}"
    twice = [message_id for message_id, times in rows.items() if times > 1]
    assert not twice, f"{len(twice)} events are there more than once: {twice[:5]}"
    unknown = {message_id for message_id in rows if message_id.startswith("k")} - sent_before
    assert not unknown, f"{len(unknown)} rows that nobody sent: {sorted(unknown)[:5]}"
    assert database.count(load.source.schema, "_sdc_rejected") == 0, database.rejected(load.source.schema)[:3]

"""A server process of PostgreSQL that is frozen (SIGSTOP): alive to its kernel, silent to us. It holds neither a stop nor the loading."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from database import Database
from kafka_log import KafkaLog
from programs import Program
from senders import Client, basic
from stack import Source, Stack
from waiting import wait_until

STOP_SECONDS = 25.0  # architecture.md, section 6
SESSION_SECONDS = 10.0  # of a member that has not left its group
GROUP = "frozen"


def backend_of(database: Database) -> int:
    """The process that serves the one loader of this database, once it waits for work: frozen in the middle of a commit it
    could hold one of the server's own locks, and with it everybody."""
    idle = ("SELECT pid FROM pg_stat_activity WHERE application_name = 'backstitch-loader' AND datname = current_database()"
            " AND state = 'idle' AND wait_event = 'ClientRead' AND state_change < now() - interval '1 second'")
    return int(wait_until(lambda: database.query(idle), "the loader's session is idle")[0][0])


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def loader_of_its_own(stack: Stack, tmp_path: Path, name: str, url: str) -> Iterator[Program]:
    with stack.another_loader(tmp_path / f"{name}.log", url, f"{GROUP}-{name}") as loader:
        wait_until(lambda: "event=partitions_started" in loader.text(), "it has its partitions")
        yield loader


def post(client: Client, source: Source, message_id: str) -> None:
    body = f'{{"type":"track","messageId":"{message_id}"}}'.encode()
    assert client.post("/v1/track", body, basic(source.write_key)).status == 200


def test_a_loader_stops_in_time_and_leaves_its_group(stack: Stack, source: Source, client: Client, tmp_path: Path) -> None:
    url = stack.make_database("frozen_stop")
    database = Database(url)
    with loader_of_its_own(stack, tmp_path, "stop", url) as loader:
        post(client, source, "before")
        wait_until(lambda: database.count(source.schema, "track") == 1, "it loads")
        with frozen(backend_of(database)):
            post(client, source, "meanwhile")
            began = time.monotonic()
            code = loader.stop(STOP_SECONDS)
            seconds = time.monotonic() - began
            assert code in (0, 3)
            assert seconds < STOP_SECONDS
            # It has left: the next one of the group need not wait until the session of the first has ended.
            with loader_of_its_own(stack, tmp_path, "stop", url):
                assert time.monotonic() - began - seconds < SESSION_SECONDS
                wait_until(lambda: database.count(source.schema, "track") == 2, "the next one loads the rest")
    database.close()


def test_loading_goes_on_in_another_session(stack: Stack, source: Source, client: Client, tmp_path: Path) -> None:
    """Noticed within the statement's time-out and a margin; the frozen process never wakes."""
    url = stack.make_database("frozen_silence")
    database = Database(url)
    with loader_of_its_own(stack, tmp_path, "silence", url) as loader:
        post(client, source, "before")
        wait_until(lambda: database.count(source.schema, "track") == 1, "it loads")
        with frozen(backend_of(database)):
            post(client, source, "meanwhile")
            wait_until(lambda: database.count(source.schema, "track") == 2, "it loads in another session", 60)
        assert loader.text().count("event=postgres_away") == 1
        assert "event=postgres_back" in loader.text()
        assert loader.stop() == 0
    database.close()

"""Topics, a database and a loader of a test's own on the stack: what it does to them is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from data_cases import DEFAULT_HEADERS
from database import Database
from kafka_log import KafkaLog, NewRecord
from loader_command import LoaderCommand
from loading import wait_loaded
from stack import Stack

SOURCE, SCHEMA = "own-shop", "own_shop"


class OwnLog:
    def __init__(self, stack: Stack, folder: Path, name: str) -> None:
        self.stack, self.name = stack, name
        self._log, self._running = folder / "loader.log", ExitStack()
        self.database = Database(stack.make_database(name.replace("-", "_")))
        self.log = KafkaLog(stack.env["KAFKA_BROKERS"], name)

    def command(self, *words: str) -> LoaderCommand:
        return LoaderCommand(self.stack, *words, DATABASE_URL=self.database.url, KAFKA_TOPIC_PREFIX=self.name, LOADER_GROUP=self.name)

    def start_loader(self) -> None:
        """And waits until it is ready."""
        self._loader = self._running.enter_context(
            self.stack.another_loader(self._log, self.database.url, self.name, KAFKA_TOPIC_PREFIX=self.name))

    def stop_loader(self) -> None:
        """Which leaves its group."""
        assert self._loader.stop() == 0

    def loader_log(self) -> str:
        """Of all its lives."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        self._running.close()
        self.database.close()

    def produce(self, partition: int, ids: range) -> None:
        """Tracks with these ids, m0, m1, .."""
        headers = {**DEFAULT_HEADERS, "source": SOURCE, "schema": SCHEMA}
        self.log.produce([NewRecord("track", b'{"type":"track","messageId":"m%d","event":"E"}' % number, headers, f"m{number}", partition)
                          for number in ids])

    def load(self, partition: int, ids: range) -> None:
        """The same, and waits until they are rows."""
        self.produce(partition, ids)
        wait_loaded(self.log, self.database, 60, self.name)


@contextmanager
def own_log(stack: Stack, folder: Path, name: str) -> Iterator[OwnLog]:
    stack.make_topics(name)
    own = OwnLog(stack, folder, name)
    try:
        own.start_loader()
        yield own
    finally:
        own.close()

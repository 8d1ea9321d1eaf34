"""What the chaos tests share: a seed, a Kafka, an ingest of each test's own, senders, and the judgement at rest.

Options: --seed N replays a plan (it is printed at the start); --long makes all of them long: 500 kills, 50 stops.
Each test has topics of its own prefix on the session's broker.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "bench"), str(Path(__file__).resolve().parent)]

from ingest_server import Credentials, IngestServer  # noqa: E402
from kafka_cluster import KafkaCluster  # noqa: E402
from kafka_log import KafkaLog  # noqa: E402
from oracle import Verdict, judge  # noqa: E402
from segment import Requests, Senders  # noqa: E402
from waiting import wait_until  # noqa: E402

PARTITIONS = 6
DRAIN_SECONDS = 60

numbers = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="of the faults (default: the clock's)")
    parser.addoption("--long", action="store_true", help="many more faults: about 50 minutes")
    parser.addoption("--ingest", type=Path, default=ROOT / "build" / "release" / "ingest" / "backstitch-ingest",
                     help="the program (default: build/release)")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("seed") is None:
        config.option.seed = time.time_ns() // 1000 % 1_000_000


def pytest_report_header(config: pytest.Config) -> str:
    return f"chaos: seed {config.getoption('seed')} (again with: --seed {config.getoption('seed')})"


class Bed:
    """One ingest on a Kafka, what was sent to it, and what must be true in the end."""

    def __init__(self, ingest: IngestServer, log: KafkaLog, run: str, credentials: Credentials, seed: int) -> None:
        self.ingest, self.log, self.run = ingest, log, run
        self.credentials, self.seed = credentials, seed
        self.random = Random(f"{seed} {run}")
        self._start = time.monotonic()
        self.senders: Senders | None = None
        self.spool: Path | None = None  # its folder, where it has one

    def say(self, text: str) -> None:
        """A line of the plan, shown when the test fails, or with -s."""
        print(f"{time.monotonic() - self._start:7.2f} s  {text}", flush=True)

    def make_senders(self, address: tuple[str, int] | None = None, connections: int = 40, largest_batch: int = 12) -> Senders:
        requests = Requests(self.run, self.credentials, self.seed, largest_batch)
        self.senders = Senders(address or ("127.0.0.1", self.ingest.port), requests, connections)
        return self.senders

    def wait_more(self, events: int, seconds: float = 40) -> None:
        """Until so many more events are acknowledged."""
        assert self.senders is not None
        wanted = self.senders.count + events
        wait_until(lambda: self.senders.count >= wanted, f"{events} more events acknowledged", seconds)

    @property
    def spooled(self) -> int:
        """Events that this process of ingest has put into its spool."""
        return int(sum(value for series, value in self.ingest.metrics().items()
                       if series.startswith("ingest_events_total{") and 'outcome="spool"' in series))

    def is_spool_empty(self) -> bool:
        """A segment goes when all of its records are delivered."""
        assert self.spool is not None
        return not list(self.spool.glob("*.spool"))

    def verify(self) -> Verdict:
        """At rest: no finding of the senders, none of the oracle."""
        assert self.senders is not None
        if self.spool is not None:
            wait_until(self.is_spool_empty, "the spool is drained", DRAIN_SECONDS)
        verdict = judge(self.run, self.senders.acknowledged, self.log.read())
        seen = self.senders.seen
        self.say(f"{len(self.senders.acknowledged)} events acknowledged, {verdict.records} records, {verdict.copies} copies, "
                 f"{verdict.unacknowledged} never acknowledged; answers {dict(seen.statuses)}, broken {dict(seen.broken)}, "
                 f"slowest {seen.slowest:.2f} s")
        assert self.senders.acknowledged, "nothing was acknowledged: nothing was tested"
        assert verdict.findings == []
        assert seen.findings == []
        return verdict


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("long"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker for the session. A test that stops it starts it again."""
    with KafkaCluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@cache
def build_shim() -> Path:
    """A disk that fails as told (tests/support/fault_io.h), to be preloaded."""
    shim = ROOT / "build" / "bench" / "libfault_io.so"
    shim.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-O2", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-shared", "-fPIC", f"-I{ROOT}", "-o", shim,
                    ROOT / "tests" / "support" / "fault_io.c", "-ldl", "-lpthread"], check=True)
    return shim


@contextmanager
def open_bed(request: pytest.FixtureRequest, folder: Path, brokers: str, *flags: str, **settings: str) -> Iterator[Bed]:
    """An ingest with topics and a source of its own, not started."""
    seed, run = int(request.config.getoption("seed")), f"chaos{next(numbers)}"
    ingest = IngestServer(request.config.getoption("ingest"), folder / "ingest", brokers, KAFKA_TOPIC_PREFIX=run, **settings)
    with ingest:
        credentials = ingest.add_source("Chaos")
        ingest.make_topics("--partitions", str(PARTITIONS), *flags)
        bed = Bed(ingest, KafkaLog(brokers, run), run, credentials, seed)
        bed.say(f"seed {seed}, topics {run}.*")
        try:
            yield bed
        finally:
            print("\n".join(ingest.text().splitlines()[-15:]))


@pytest.fixture
def bed(request: pytest.FixtureRequest, tmp_path: Path, kafka: KafkaCluster) -> Iterator[Bed]:
    """Ingest without a spool, not started."""
    with open_bed(request, tmp_path, kafka.brokers, "--dev") as opened:
        yield opened

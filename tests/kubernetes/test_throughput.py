"""What 1, 2 and 3 pods of a tier do, with all of it on one machine: figures beside the first's, and whose CPU was used. No rate
fails; a pod that had no part in it, an answer that is not 200, a row too many or too few does."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench_events import make_event
from bench_programs import build_c
from bench_requests import Requests
from database import Database
from deployment import Deployment
from kafka_log import KafkaLog
from loading import behind, wait_loaded
from measure import Case, cpu_seconds, load
from stack import Source
from waiting import wait_until

PODS = (1, 2, 3)
SECONDS = 6
CONNECTIONS = 64
ROWS = 200_000
TIERS = {"backstitch-inge": "ingest", "backstitch-load": "loader", "java": "Kafka", "postgres": "PostgreSQL"}


def processes() -> dict[int, tuple[str, float]]:
    """Of the parts, in pods or beside them: name and CPU seconds."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = TIERS.get((entry / "comm").read_text().strip())
            if name is not None:
                found[int(entry.name)] = name, cpu_seconds(int(entry.name))
        except OSError:
            pass  # it has ended
    return found


def machine_seconds() -> float:
    """CPU of everything on this machine."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """Cores in use from now to `end`, by part."""

    before: dict[int, tuple[str, float]] = field(default_factory=processes)
    machine: float = field(default_factory=machine_seconds)
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0
    by_process: dict[int, tuple[str, float]] = field(default_factory=dict)

    def end(self) -> Usage:
        self.seconds = time.monotonic() - self.began
        self.machine = (machine_seconds() - self.machine) / self.seconds
        self.by_process = {pid: (name, (cpu - self.before.get(pid, ("", 0.0))[1]) / self.seconds) for pid, (name, cpu) in processes().items()}
        return self

    def of(self, part: str) -> list[float]:
        return [cores for name, cores in self.by_process.values() if name == part]

    def __str__(self) -> str:
        parts = {name: sum(self.of(name)) for name in TIERS.values()}
        shown = ", ".join(f"{name} {cores:.2f}" for name, cores in parts.items() if cores >= 0.01)
        return f"cores: {shown}, all {self.machine:.2f} of {os.cpu_count()}"


@pytest.fixture
def other_source(running: Deployment) -> Source:
    """Its rows stand in a schema of their own."""
    return running.add_source("Throughput")


@pytest.mark.parametrize("events", [1, 100])
def test_of_ingest(running: Deployment, source: Source, log: KafkaLog, database: Database, tmp_path: Path, events: int) -> None:
    build_c("bench_load")
    namespace = running.namespace
    namespace.scale("deployment/backstitch-loader", 0)
    namespace.wait_gone("loader")
    host = urlsplit(running.url).hostname or ""
    case = Case("", events, CONNECTIONS, Requests(tmp_path, source).file(events), SECONDS)
    warm = Case("", events, CONNECTIONS, case.requests, 1)
    first = 0.0
    for pods in PODS:
        namespace.scale(running.ingest, pods)
        namespace.wait_ready("ingest", pods)

        def has_reached_all(pods: int = pods) -> bool:
            usage = Usage()
            load(warm, 80, host)
            return sum(cores > 0.02 for cores in usage.end().of("ingest")) == pods

        wait_until(has_reached_all, f"the Service reaches {pods} pods", 60)
        usage = Usage()
        raw = load(case, 80, host)
        usage.end()
        rate = raw["ok"]["count"] * events / SECONDS
        first = first or rate
        print(f"{events} a request, {pods} of ingest: {rate:,.0f} events/s, {rate / first:.2f} of one's,"
              f" p99 {raw['ok']['p99'] / 1000:.1f} ms; {usage}, of it senders {raw['cpu'] / 1e6 / SECONDS:.2f}")
        assert list(raw["statuses"]) == ["200"] and not raw["broken"] and not raw["timed_out"], raw
    namespace.scale("deployment/backstitch-loader", 2)
    namespace.wait_ready("loader", 2)
    wait_loaded(log, database, 180)


def test_of_loaders(running: Deployment, other_source: Source, log: KafkaLog, database: Database) -> None:
    """A backlog of events of 40 columns, of which nothing was loaded before."""
    namespace = running.namespace
    first = 0.0
    for turn, loaders in enumerate(PODS):
        namespace.scale("deployment/backstitch-loader", 0)
        namespace.wait_gone("loader")
        with (running.folder / "events").open("wb") as out:
            out.writelines(make_event(number) + b"\n" for number in range(turn * ROWS, (turn + 1) * ROWS))
        running.ingest_command("import", "--source", other_source.slug, "--again", "--progress-file", "progress", "events", network="host")
        namespace.scale("deployment/backstitch-loader", loaders)
        wait_until(lambda: sum(behind(log, database).values()) < ROWS, "loading has begun", 60)
        usage = Usage()
        wait_loaded(log, database, 180)
        rate = ROWS / usage.end().seconds
        first = first or rate
        print(f"{loaders} of the loader: {rate:,.0f} rows/s, {rate / first:.2f} of one's; {usage}")
        assert sum(cores > 0.02 for cores in usage.of("loader")) == loaders, f"not every loader had a part: {usage.of('loader')}"
        table = f"SELECT count(*), count(DISTINCT message_id) FROM {other_source.schema}.track"
        assert database.query(table) == [((turn + 1) * ROWS, (turn + 1) * ROWS)]

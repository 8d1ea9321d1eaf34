"""loader_bed: what the benches of the loader stand on: Kafka (one broker or three), a private PostgreSQL, a log full of
events, and one run of whatever loads them, with what it cost.

Events go into Kafka as ingest would put them there (the header `backstitch`, lz4), but without ingest: a bench of the
loader should not wait for another program. A log is written once and read by every run, each with a group and a database
of its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bench_events import make_event
from database import Database
from kafka_cluster import KafkaCluster
from kafka_log import pack_headers
from measure import cpu_seconds, rss_mib
from ports import free_port
from private_postgres import PrivatePostgres
from programs import Program, clean_environment
from waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release" / "loader" / "backstitch-loader"
TICKS = os.sysconf("SC_CLK_TCK")
SCHEMA = "shop"
WAIT_SECONDS = 900
# Of the loader's sessions (loader/postgres/connection.c): what could make one of two loads faster.
SESSION = "SET synchronous_commit = on; SET timezone = 'UTC'; SET datestyle = 'ISO'; SET client_encoding = 'UTF8'"
FIRST_RECEIVED_MS = 1_796_378_406_000
NEAR, FAR = 100, 20_000  # a copy comes within so many events, half of them each
STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:5.0f}s  {text}", flush=True)


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A temporary one that PostgreSQL's user can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def build_loader() -> Path:
    """By the preset `release`, as deploy/local builds it."""
    for command in ([["cmake", "--preset", "release"]] if not (ROOT / "build" / "release" / "build.ninja").exists() else []) + [
            ["cmake", "--build", "--preset", "release", "--target", "backstitch-loader"]]:
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return RELEASE


# --- the log ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Log:
    """Events of one topic `<prefix>.track`."""

    prefix: str
    events: int  # different ones
    records: int  # with copies
    columns: int
    partitions: int


def numbers_of(events: int, copies: float, seed: int = 7) -> list[int]:
    """Numbers of events in the order of their records; a share of them comes a second time, later."""
    random = Random(seed)
    order: list[tuple[float, int]] = []
    for number in range(events):
        order.append((number, number))
        if random.random() < copies:
            order.append((number + 0.5 + random.randrange(NEAR if random.random() < 0.5 else FAR), number))
    return [number for _, number in sorted(order)]


def _make(numbers: Sequence[int], columns: int) -> list[bytes]:
    return [make_event(number, columns) for number in numbers]


def fill(cluster: KafkaCluster, prefix: str, events: int, columns: int = 40, copies: float = 0, partitions: int = 12) -> Log:
    """A new topic with these events; a copy has a later receipt, as a retry has."""
    numbers = numbers_of(events, copies)
    topic = f"{prefix}.track"
    replicas = len(cluster.nodes)
    admin = AdminClient({"bootstrap.servers": cluster.brokers, "log_level": 0})
    futures = admin.create_topics(
        [NewTopic(f"{prefix}.{kind}", partitions, replicas, config={"max.message.bytes": "2000000"})
         for kind in ("identify", "track", "page", "screen", "group", "alias", "delete", "rejected")])
    for future in futures.values():
        future.result(60)
    producer = Producer({"bootstrap.servers": cluster.brokers, "linger.ms": 20, "acks": "all", "compression.type": "lz4",
                         "queue.buffering.max.messages": 1_000_000, "queue.buffering.max.kbytes": 500_000, "log_level": 0})
    chunks = [numbers[i:i + 2000] for i in range(0, len(numbers), 2000)]
    at = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for made in pool.map(_make, chunks, [columns] * len(chunks)):
            for value in made:
                # Runs of records in one partition, as ingest's partitioner makes them.
                headers = pack_headers({"v": "1", "source": SCHEMA, "schema": SCHEMA, "received-at": str(FIRST_RECEIVED_MS + at // 10),
                                        "seq": str(at % 1_000_000), "via": "webhook", "auth": "token", "request-id": f"r-{at // 10}"})
                producer.produce(topic, value, key=re.match(rb'{"messageId":"([^"]+)"', value)[1],  # type: ignore[index]
                                 headers=headers, partition=at // 100 % partitions)
                at += 1
            producer.poll(0)
    assert producer.flush(120) == 0, "Kafka did not take all events"
    say(f"{at:,} records of {events:,} events, {columns} columns, {partitions} partitions, are in Kafka")
    return Log(prefix, events, at, columns, partitions)


# --- what a run costs -------------------------------------------------------------------------------------------------


def _stat(pid: int) -> list[str]:
    """Of /proc/PID/stat, from the state on; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _stat(int(entry.name))[1:2] == [str(pid)]:
            yield int(entry.name)


def cpu_of_family(pid: int) -> float:
    """With its children: those that run and those that have ended. One that ends while we count would be missed, or
    counted twice: then we count again."""
    while True:
        before = _stat(pid)[11:15]
        running = sum(int(f) for child in _children(pid) for f in _stat(child)[11:13]) / TICKS
        if _stat(pid)[13:15] == before[2:]:
            return sum(int(f) for f in before) / TICKS + running


@dataclass
class Run:
    """Of one way to load all records. CPU in microseconds a record, memory in MiB of the largest process."""

    who: str
    rate: float  # records/s from the start of the process to the last commit
    steady: float  # from the first tenth of them on
    own_cpu: float
    postgres_cpu: float
    kafka_cpu: float
    rss: float
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        return self.own_cpu + self.postgres_cpu


class Bed:
    """Servers that are up, and the runs on them."""

    def __init__(self, cluster: KafkaCluster, postgres: PrivatePostgres, folder: Path, loader: Path) -> None:
        self.cluster, self.postgres, self.folder, self.loader = cluster, postgres, folder, loader
        self._count = 0

    def name(self, word: str) -> str:
        self._count += 1
        return f"{word}_{os.getpid()}_{self._count}"

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A new one, removed in the end."""
        name = self.name("bench")
        database = Database(self.postgres.make_database(name))
        try:
            yield database
        finally:
            database.close()
            self.postgres.drop_database(name)

    @contextmanager
    def running_loader(self, log: Log, url: str, group: str, **settings: str) -> Iterator[tuple[Program, int]]:
        """Ready; and its admin port. Killed in the end."""
        port = free_port()
        given = {"KAFKA_BROKERS": self.cluster.brokers, "KAFKA_TOPIC_PREFIX": log.prefix, "DATABASE_URL": url, "LOADER_GROUP": group,
                 "LOADER_ADMIN_LISTEN": f"127.0.0.1:{port}", **settings}
        with Program(self.folder / f"{self.name('loader')}.log", [str(self.loader), "run"], **given) as program:
            program.wait_ready(port)
            yield program, port

    def _counters(self) -> tuple[float, float]:
        return cpu_of_family(self.postgres.pid), sum(map(cpu_seconds, self.cluster.pids))

    def load(self, log: Log, database: Database, who: str = "loader", loaders: int = 1, url: str = "", **settings: str) -> Run:
        """From the start of the processes until the positions stand at the log's end; stops them."""
        group = self.name("group")
        database.query("CHECKPOINT")
        if database.has_table("backstitch", "load_offset"):
            database.query("DELETE FROM backstitch.load_stat")
        postgres, kafka = self._counters()
        began = time.monotonic()
        with _all(self.running_loader(log, url or database.url, group, **settings) for _ in range(loaders)) as programs:
            while (at := positions(database, group)) < log.records:
                taken = time.monotonic() - began
                assert all(p.runs for p, _ in programs) and taken < WAIT_SECONDS, f"{at} of {log.records} after {taken:.0f} s"
                time.sleep(0.02)
            seconds = time.monotonic() - began
            own = sum(cpu_seconds(p.pid) for p, _ in programs)
            rss = max(rss_mib(p.pid, "VmHWM") for p, _ in programs)
            metrics = [scrape(port) for _, port in programs]
            postgres_after, kafka_after = self._counters()
            for program, _ in programs:
                program.stop()
        each = 1e6 / log.records
        extra = {"idle_longest_ms": 1000 * max(m.get("loader_writer_idle_longest_seconds", 0) for m in metrics),
                 "idle_above_20_ms": sum(m.get("loader_writer_idle_seconds_count", 0) - m.get('loader_writer_idle_seconds_bucket{le="0.02"}', 0)
                                         for m in metrics)}
        return Run(who, log.records / seconds, steady_rate(database, group), own * each, (postgres_after - postgres) * each,
                   (kafka_after - kafka) * each, rss, extra)

    def command(self, log: Log, database: Database, records: int, *words: str, keeps_statistics: bool = False) -> Run:
        """One of the loader's commands, from its start to its end; `records` is what it works on."""
        settings = {"KAFKA_BROKERS": self.cluster.brokers, "KAFKA_TOPIC_PREFIX": log.prefix, "DATABASE_URL": database.url,
                    "LOADER_GROUP": self.name("group")}
        if not keeps_statistics:
            database.query("DELETE FROM backstitch.load_stat")  # nobody has loaded live of late: a replay need not rest for others
        database.query("CHECKPOINT")
        postgres, kafka = self._counters()
        began, rss, own = time.monotonic(), 0.0, 0.0
        with (self.folder / f"{self.name('command')}.log").open("w+") as told:
            process = subprocess.Popen([str(self.loader), *words], env=clean_environment(**settings), stdout=told, stderr=told)
            while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                rss, own = max(rss, rss_mib(process.pid, "VmHWM")), cpu_seconds(process.pid)
                time.sleep(0.02)
            seconds = time.monotonic() - began
            assert process.wait() == 0, told.seek(0) or told.read()
        postgres_after, kafka_after = self._counters()
        each = 1e6 / records
        return Run(words[0], records / seconds, records / seconds, own * each,
                   (postgres_after - postgres) * each, (kafka_after - kafka) * each, rss)

    def copy(self, log: Log, database: Database, rows: Path) -> Run:
        r"""psql's \copy of the loaded table's rows, as text, into an empty table with the same primary key."""
        if not rows.exists():
            subprocess.run(_psql(database.url, SESSION, rf"\copy {SCHEMA}.track TO '{rows}'"), env=clean_environment(), check=True)
        database.query(f"DROP TABLE IF EXISTS public.copied; CREATE TABLE public.copied (LIKE {SCHEMA}.track INCLUDING ALL)")
        database.query("CHECKPOINT")
        postgres, kafka = self._counters()
        began = time.monotonic()
        client = subprocess.Popen(_psql(database.url, SESSION, rf"\copy public.copied FROM '{rows}'"), env=clean_environment())
        _, status, usage = os.wait4(client.pid, 0)
        seconds = time.monotonic() - began
        client.returncode = os.waitstatus_to_exitcode(status)
        assert client.returncode == 0, "psql failed"
        postgres_after, kafka_after = self._counters()
        assert database.count("public", "copied") == log.events
        each = 1e6 / log.events
        return Run("\\copy", log.events / seconds, log.events / seconds, (usage.ru_utime + usage.ru_stime) * each,
                   (postgres_after - postgres) * each, (kafka_after - kafka) * each, usage.ru_maxrss / 1024)

    def pyload(self, log: Log, database: Database) -> Run:
        """What a user writes in an afternoon: reference/pyload.py, into a table of the same columns and key."""
        database.query(f"DROP TABLE IF EXISTS public.track; CREATE TABLE public.track (LIKE {SCHEMA}.track INCLUDING ALL)")
        database.query("CHECKPOINT")
        postgres, kafka = self._counters()
        began = time.monotonic()
        words = [sys.executable, str(ROOT / "tests" / "bench" / "reference" / "pyload.py"), self.cluster.brokers, self.name("pyload"),
                 f"{log.prefix}.track", database.url]
        with Program(self.folder / f"{self.name('pyload')}.log", words) as program:
            while (at := database.value("SELECT count(*) FROM public.track")) < log.events:
                assert program.runs and time.monotonic() - began < WAIT_SECONDS, f"{at} rows:\n{program.text()}"
                time.sleep(0.25)
            seconds = time.monotonic() - began
            own, rss = cpu_seconds(program.pid), rss_mib(program.pid, "VmHWM")
            postgres_after, kafka_after = self._counters()
            program.stop()
        each = 1e6 / log.records
        return Run("pyload", log.records / seconds, log.records / seconds, own * each, (postgres_after - postgres) * each,
                   (kafka_after - kafka) * each, rss)


@contextmanager
def _all(contexts: Iterator[object]) -> Iterator[list[tuple[Program, int]]]:
    from contextlib import ExitStack
    with ExitStack() as stack:
        yield [stack.enter_context(context) for context in contexts]  # type: ignore[arg-type]


def _psql(url: str, *commands: str) -> list[str]:
    return ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", url, *(word for text in commands for word in ("-c", text))]


def positions(database: Database, group: str) -> int:
    """How many records the committed positions stand for: cheap, unlike counting rows."""
    if not database.has_table("backstitch", "load_offset"):
        return 0
    return int(database.value("SELECT coalesce(sum(next_offset), 0) FROM backstitch.load_offset WHERE consumer_group = %s", (group,)))


def steady_rate(database: Database, group: str) -> float:
    """Rows a second between the transactions' starts, without the first tenth; 0: too few transactions, or nothing new."""
    found = database.query(f"""
        WITH b AS (SELECT _sdc_batched_at AS at, count(*) AS rows FROM {SCHEMA}.track GROUP BY 1),
             c AS (SELECT at, rows, sum(rows) OVER (ORDER BY at) - rows AS before, sum(rows) OVER () AS all_rows FROM b),
             d AS (SELECT * FROM c WHERE before >= all_rows / 10)
        SELECT (max(before) - min(before))::float8 / nullif(extract(epoch FROM max(at) - min(at)), 0)::float8 FROM d""")
    return float(found[0][0] or 0)


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for line in lines if line and line[0] != "#" for name, _, value in [line.rpartition(" ")]}


def content_hash(database: Database) -> str:
    """Of all rows but for the times of loading: the same events must give the same rows, however they were loaded."""
    names = [n for n in database.columns(SCHEMA, "track") if n not in ("_sdc_batched_at", "_sdc_received_at", "_sdc_sequence")]
    row = ", ".join(f't."{n}"' for n in sorted(names))
    found = database.value(f"SELECT sum(('x' || substr(md5(ROW({row})::text), 1, 15))::bit(60)::bigint)::text FROM {SCHEMA}.track t")
    return hashlib.sha256(str(found).encode()).hexdigest()[:12]

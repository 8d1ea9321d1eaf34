#!/usr/bin/env python3
"""bench_freshness: how long an event takes from when it was due to be sent until it is committed in PostgreSQL.

    freshness   500 and 2,000 events/s for a while       (the default)
    catchup     2,000 events/s while PostgreSQL is away for 60 s, and until nothing waits any more
    replay      2,000 events/s, with and without a replay of 400,000 records into a target meanwhile
    memory      2,000 events/s for 10 minutes: the loader's memory at each minute

An open loop: events are due at fixed times, whatever Kafka and the loader do, and each one's delay counts from then; the
commit's time is PostgreSQL's own (track_commit_timestamp). Events go straight into Kafka, one at a time and without
waiting, so ingest is not in these figures. Starts and ends what it needs. Not a test: it fails only when rows are missing.
Needs build/test-venv, which `tests/run oracle` makes, cmake, java, PostgreSQL's programs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
VENV = TESTS.parent / "build" / "test-venv" / "bin" / "python"
SETS = ("freshness", "replay", "catchup", "memory")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/bench_freshness.py", formatter_class=argparse.RawTextHelpFormatter,
                                     description=__doc__)
    parser.add_argument("sets", nargs="*", default=["freshness"], metavar="SET", help=f"of {', '.join(SETS)} (default: freshness)")
    parser.add_argument("--seconds", type=float, default=15, help="of each freshness run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of freshness (default %(default)s)")
    parser.add_argument("--rates", default="500,2000", help="events/s of freshness (default %(default)s)")
    parser.add_argument("--outage", type=float, default=60, help="seconds without PostgreSQL (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="of memory (default %(default)s)")
    parser.add_argument("--loader", type=Path, help="a loader to measure instead of the one built here")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="NAME=VALUE", help="environment of the loader")
    given = parser.parse_args()
    if unknown := [word for word in given.sets if word not in SETS]:
        parser.error(f"unknown set {unknown[0]}")
    return given


GIVEN = arguments()  # before anything is needed: --help works everywhere
try:
    import psycopg  # noqa: F401
except ImportError:
    if not VENV.exists() or Path(sys.executable) == VENV:
        sys.exit("bench_freshness: build/test-venv is not there: run tests/run oracle once, which makes it")
    os.execv(VENV, [str(VENV), *sys.argv])

sys.path[:0] = [str(TESTS / "support"), str(TESTS / "bench")]
from confluent_kafka import Producer  # noqa: E402

from bench_events import make_event  # noqa: E402
from database import Database  # noqa: E402
from kafka_cluster import KafkaCluster  # noqa: E402
from kafka_log import pack_headers  # noqa: E402
from loader_bed import SCHEMA, Bed, Log, build_loader, cpu_of_family, fill, positions, reachable_folder, say  # noqa: E402
from measure import cpu_seconds, rss_mib  # noqa: E402
from private_postgres import PrivatePostgres  # noqa: E402
from waiting import wait_until  # noqa: E402

SETTINGS = dict(word.split("=", 1) for word in GIVEN.settings)
REPLAYED = 400_000
WARM_SECONDS = 2  # not counted: a loader that has just started makes its table
PREPARED = 5000  # different bodies; ids differ for every event


def send(brokers: str, prefix: str, rate: float, count: int, start: Connection) -> None:
    """A process of its own: says when it is ready, and is told when to begin. Event n is due at begins_at + n / rate; its id
    says n."""
    made = (make_event(number) for number in range(PREPARED))
    bodies = [b'{"messageId":"n-%09d",' + body[body.index(b'"type"'):] for body in made]
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 1, "acks": "all", "compression.type": "lz4", "log_level": 0})
    producer.list_topics(f"{prefix}.track", 30)  # connected
    start.send(True)
    begins_at = start.recv()
    late: list[float] = []
    for number in range(count):
        due = begins_at + number / rate
        while (left := due - time.time()) > 0:
            producer.poll(0)
            time.sleep(min(left, 0.002))
        late.append(time.time() - due)
        headers = pack_headers({"v": "1", "source": SCHEMA, "schema": SCHEMA, "received-at": str(int(due * 1000)),
                                "seq": str(number % 1_000_000), "via": "webhook", "auth": "token", "request-id": f"r-{number}"})
        value = bodies[number % PREPARED].replace(b"n-%09d", b"n-%09d" % number, 1)
        producer.produce(f"{prefix}.track", value, key=b"n-%09d" % number, headers=headers, partition=int(due * 1000) % 12)
    producer.flush(60)
    start.send(1000 * percentile(sorted(late[int(WARM_SECONDS * rate):]), 0.99))


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def delays(database: Database, rate: float, begins_at: float) -> list[float]:
    """Milliseconds, ascending, without the warm-up."""
    found = database.query(f"""
        SELECT substr(message_id, 3)::int, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8
          FROM {SCHEMA}.track WHERE message_id LIKE 'n-%%'""")
    return sorted(1000 * (at - (begins_at + number / rate)) for number, at in found if number >= WARM_SECONDS * rate)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def live(bed: Bed, rate: float, seconds: float, during: object = None, before: int = 100) -> dict[str, object]:
    """One run of events at a rate beside a running loader, which has loaded some before; `during` is called meanwhile."""
    log = fill(bed.cluster, bed.name("live").replace("_", "-"), before)
    count = int(rate * seconds)
    group = bed.name("group")
    with bed.database() as database, bed.running_loader(log, database.url, group, **SETTINGS) as (program, _):
        wait_until(lambda: positions(database, group) >= log.records, "the table is there", 60)
        ours, theirs = Pipe()
        sender = Process(target=send, args=(bed.cluster.brokers, log.prefix, rate, count, theirs))
        sender.start()
        assert ours.poll(60) and ours.recv(), "the sender did not get ready"
        begins_at = time.time() + 0.1
        own, postgres = cpu_seconds(program.pid), cpu_of_family(bed.postgres.pid)
        ours.send(begins_at)
        result: dict[str, object] = {}
        if during is not None:
            result["during"] = during(begins_at, program, database, log)  # type: ignore[operator]
        result["late"] = ours.recv()
        sender.join()
        wait_until(lambda: all_loaded(database, group, log, count), "all is loaded", 300)
        result["caught_up_after"] = time.time() - begins_at
        found = delays(database, rate, begins_at)
        assert len(found) == count - int(WARM_SECONDS * rate), f"{len(found)} rows of {count}"
        # Of a server that was restarted meanwhile, only what it cost since.
        result |= {"p50": percentile(found, 0.5), "p90": percentile(found, 0.9), "p99": percentile(found, 0.99), "max": found[-1],
                   "own": (cpu_seconds(program.pid) - own) * 1e6 / count, "rss": rss_mib(program.pid, "VmHWM"),
                   "postgres": max(0.0, cpu_of_family(bed.postgres.pid) - postgres) * 1e6 / count,
                   "transactions": database.value(f"SELECT count(DISTINCT xmin::text) FROM {SCHEMA}.track WHERE message_id LIKE 'n-%%'")}
        program.stop()
    return result


def all_loaded(database: Database, group: str, log: Log, count: int) -> bool:
    try:
        return positions(database, group) >= log.records + count
    except psycopg.OperationalError:
        return False


def run_freshness(bed: Bed) -> None:
    found: dict[float, list[dict[str, object]]] = {}
    for _ in range(GIVEN.rounds):
        for word in GIVEN.rates.split(","):
            run = live(bed, float(word), GIVEN.seconds)
            found.setdefault(float(word), []).append(run)
            say(f"{word}/s: p50 {run['p50']:.1f} p90 {run['p90']:.1f} p99 {run['p99']:.1f} most {run['max']:.0f} ms; "
                f"CPU us an event own {run['own']:.0f} PostgreSQL {run['postgres']:.0f}; {run['transactions']} transactions; {run['rss']:.0f} MiB; "
                f"the sender itself was late by {run['late']:.1f} ms (p99)")
    print("\nfrom when an event was due to its commit, ms: median (least to most)")
    for rate, runs in found.items():
        print(f"  {rate:,.0f}/s: " + ", ".join(f"{name} {spread([float(str(run[name])) for run in runs])}" for name in ("p50", "p90", "p99")))


def run_replay(bed: Bed) -> None:
    """Three quarters of the time are the live loader's: that is what a replay that yields promises."""
    def replay(begins_at: float, _program: object, database: Database, log: Log) -> float:
        time.sleep(max(0, begins_at + WARM_SECONDS - time.time()))
        return bed.command(log, database, log.records, "replay", "--from-earliest", "--until-offset", str(log.records // 12 - 1),
                           "--source", SCHEMA, "--target-schema", "target", "--execute", keeps_statistics=True).rate

    found: dict[str, list[dict[str, object]]] = {"alone": [], "beside a replay": []}
    for _ in range(GIVEN.rounds):
        for name, during in (("alone", None), ("beside a replay", replay)):
            run = live(bed, 2000.0, GIVEN.seconds, during, before=REPLAYED)
            found[name].append(run)
            more = f"; the replay read {run['during']:,.0f}/s" if during else ""
            say(f"{name}: p50 {run['p50']:.1f} p90 {run['p90']:.1f} p99 {run['p99']:.1f} most {run['max']:.0f} ms{more}")
    print("\n2,000/s, from when an event was due to its commit, ms: median (least to most)")
    for name, runs in found.items():
        print(f"  {name}: " + ", ".join(f"{part} {spread([float(str(run[part])) for run in runs])}" for part in ("p50", "p90", "p99")))


def run_catchup(bed: Bed) -> None:
    rate = 2000.0

    def is_caught_up(database: Database, begins_at: float) -> bool:
        """What was due up to a quarter of a second ago is loaded."""
        try:
            loaded = database.value(f"SELECT count(*) FROM {SCHEMA}.track WHERE message_id LIKE 'n-%%'")
        except psycopg.OperationalError:
            return False
        return int(loaded) >= rate * (time.time() - begins_at - 0.25)

    def outage(begins_at: float, _program: object, database: Database, _log: Log) -> float:
        time.sleep(max(0, begins_at + 5 - time.time()))
        bed.postgres.end()
        time.sleep(GIVEN.outage)
        bed.postgres.start()
        back_at = time.time()
        wait_until(lambda: is_caught_up(database, begins_at), "nothing waits any more", 300)
        return time.time() - back_at

    run = live(bed, rate, 3 * GIVEN.outage + 15, outage)
    seconds = float(str(run["during"]))
    say(f"catch-up: PostgreSQL was away for {GIVEN.outage:.0f} s at {rate:,.0f} events/s; {seconds:.1f} s after it was back nothing "
        f"waited any more: {rate * (GIVEN.outage + seconds) / seconds:,.0f} events/s; {run['rss']:.0f} MiB")


def run_memory(bed: Bed) -> None:
    def watch(begins_at: float, program: object, _database: object, _log: Log) -> list[float]:
        samples = []
        for minute in range(1, int(GIVEN.minutes) + 1):
            time.sleep(max(0, begins_at + 60 * minute - 1 - time.time()))
            samples.append(rss_mib(program.pid))  # type: ignore[attr-defined]
        return samples

    run = live(bed, 2000, 60 * GIVEN.minutes, watch)
    say(f"memory, MiB at each minute: {', '.join(f'{value:.1f}' for value in run['during'])}; at most {run['rss']:.1f}")  # type: ignore[attr-defined]


def main() -> int:
    print(f"{os.cpu_count()} cores, load average before {os.getloadavg()[0]:.2f}")
    loader = GIVEN.loader or build_loader()
    with reachable_folder() as folder, KafkaCluster(folder / "kafka") as cluster, \
            PrivatePostgres(folder / "postgres", track_commit_timestamp="on") as postgres:
        bed = Bed(cluster, postgres, folder, loader)
        for word, run in (("freshness", run_freshness), ("replay", run_replay), ("catchup", run_catchup), ("memory", run_memory)):
            if word in GIVEN.sets:
                run(bed)
    return 0


if __name__ == "__main__":
    sys.exit(main())

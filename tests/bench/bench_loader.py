#!/usr/bin/env python3
r"""bench_loader: events from a real Kafka into PostgreSQL, beside psql's \copy of the same rows, in one run.

    rate      40 columns, no copies, one loader, beside \copy and a Python program   (the default)
    columns   20, 100 and 400 columns, beside \copy
    copies    1 % and 5 % copies, beside \copy of the rows that are left
    replay    everything is there already, beside the first load of it
    loaders   1, 2 and 3 loaders
    operate   `replay` into an empty target and over what is there, `audit`, `erase` of half of all rows, beside the first load
    delay     PostgreSQL is 5 ms away, beside the same without delay
    fetch     1, 4 and 12 partitions, 1 and 3 brokers: how long the writer stood idle in a drain

Starts what it needs (Kafka, PostgreSQL, both private and gone in the end); in every round each case runs once, and its
reference right after it, each in a new database. A round's loads must have all rows. How to read the figures: README.md.
Needs build/test-venv, which `tests/run oracle` makes, cmake, java, PostgreSQL's programs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
VENV = TESTS.parent / "build" / "test-venv" / "bin" / "python"
SETS = ("rate", "columns", "copies", "replay", "loaders", "operate", "delay", "fetch")
IDLE_LIMIT_MS = 20  # performance.md, section 9


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/bench_loader.py", formatter_class=argparse.RawTextHelpFormatter, description=__doc__)
    parser.add_argument("sets", nargs="*", default=["rate"], metavar="SET", help=f"of {', '.join(SETS)}, all (default: rate)")
    parser.add_argument("--rows", type=int, default=200_000, help="events of 40 columns; wider ones are fewer (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default %(default)s)")
    parser.add_argument("--loader", action="append", default=[], metavar="[NAME=]FILE",
                        help="a loader to measure instead of the one built here; several take turns")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="NAME=VALUE",
                        help="environment of the loaders, as LOADER_BATCH_ROWS=10000")
    parser.add_argument("--no-pyload", action="store_true", help="without the Python program")
    parser.add_argument("--json", type=Path, help="every run, into this file")
    given = parser.parse_args()
    given.sets = list(SETS) if "all" in given.sets else given.sets
    unknown = [word for word in given.sets if word not in SETS]
    if unknown or given.rows < 1000 or given.rounds < 1:
        parser.error(f"unknown set {unknown[0]}" if unknown else "--rows is at least 1000, --rounds at least 1")
    return given


GIVEN = arguments()  # before anything is needed: --help works everywhere
try:
    import psycopg  # noqa: F401
except ImportError:
    if not VENV.exists() or Path(sys.executable) == VENV:
        sys.exit("bench_loader: build/test-venv is not there: run tests/run oracle once, which makes it")
    os.execv(VENV, [str(VENV), *sys.argv])

sys.path[:0] = [str(TESTS / "support"), str(TESTS / "bench")]
from delay_proxy import DelayProxy  # noqa: E402
from kafka_cluster import KafkaCluster  # noqa: E402
from loader_bed import SCHEMA, Bed, Log, Run, build_loader, content_hash, fill, reachable_folder, say  # noqa: E402
from private_postgres import PrivatePostgres  # noqa: E402

SETTINGS = dict(word.split("=", 1) for word in GIVEN.settings)
Runs = dict[str, list[Run]]


def check(log: Log, database: object) -> None:
    found = database.count(SCHEMA, "track")  # type: ignore[attr-defined]
    assert found == log.events, f"{found} rows of {log.events}"


class Bench:
    """The runs of one set, round by round."""

    def __init__(self, bed: Bed, loaders: dict[str, Path]) -> None:
        self.bed, self.loaders = bed, loaders
        self.runs: Runs = {}
        self.hashes: dict[str, set[str]] = {}

    def note(self, case: str, run: Run) -> None:
        self.runs.setdefault(case, []).append(run)
        idle = run.extra.get("idle_longest_ms")
        more = f", longest idle gap {idle:.1f} ms" if idle else ""
        say(f"{case}: {run.rate:,.0f}/s, steady {run.steady:,.0f}/s; CPU us own {run.own_cpu:.1f} PostgreSQL {run.postgres_cpu:.1f} "
            f"Kafka {run.kafka_cpu:.1f}; {run.rss:.0f} MiB{more}")

    def pair(self, case: str, log: Log, is_with_pyload: bool = False, loaders: int = 1, **settings: str) -> None:
        r"""Each loader, then \copy of what it loaded."""
        for name, binary in self.loaders.items():
            self.bed.loader = binary
            with self.bed.database() as database:
                self.note(f"{case}: {name}", self.bed.load(log, database, loaders=loaders, **{**SETTINGS, **settings}))
                check(log, database)
                self.hashes.setdefault(case, set()).add(content_hash(database))
                self.note(f"{case}: \\copy", self.bed.copy(log, database, self.bed.folder / f"{log.prefix}.rows"))
                if is_with_pyload:
                    self.note(f"{case}: pyload", self.bed.pyload(log, database))

    def replay(self, case: str, log: Log) -> None:
        """The same log again, by another group."""
        for name, binary in self.loaders.items():
            self.bed.loader = binary
            with self.bed.database() as database:
                self.note(f"{case}: first load by {name}", self.bed.load(log, database, **SETTINGS))
                before = database.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
                run = self.bed.load(log, database, **SETTINGS)
                written = database.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn") - before
                run.steady = run.rate
                run.extra["wal_bytes"] = float(written) / log.records
                self.note(f"{case}: again by {name}", run)
                check(log, database)

    def operate(self, case: str, log: Log) -> None:
        """The commands, over what one load has brought. A loader that stands by shows what a replay costs others."""
        for name, binary in self.loaders.items():
            self.bed.loader = binary
            with self.bed.database() as database:
                self.note(f"{case}: first load by {name}", self.bed.load(log, database, **SETTINGS))
                everything = ("--from-earliest", "--source", SCHEMA, "--execute")
                for who, words in (("replay into a target", ("replay", *everything, "--target-schema", "target")),
                                   ("replay of what is there", ("replay", *everything)), ("audit", ("audit",))):
                    self.note(f"{case}: {who} by {name}", self.bed.command(log, database, log.records, *words))
                assert database.count("target", "track") == log.events
                half = log.events // 2
                database.query(f"UPDATE {SCHEMA}.track SET user_id = 'many' WHERE message_id IN "
                               f"(SELECT message_id FROM {SCHEMA}.track LIMIT {half})")
                self.note(f"{case}: erase by {name}", self.bed.command(log, database, half, "erase", "--user-id", "many", "--schema", SCHEMA))
                assert database.count(SCHEMA, "track") == log.events - half

    def delayed(self, case: str, log: Log, ms: float) -> None:
        for name, binary in self.loaders.items():
            self.bed.loader = binary
            with DelayProxy(self.bed.postgres.port, ms / 1000) as proxy, self.bed.database() as database:
                url = database.url.replace(f":{self.bed.postgres.port}/", f":{proxy.port}/")
                self.note(f"{case}: {name}, {ms:g} ms away", self.bed.load(log, database, url=url, **SETTINGS))
                check(log, database)


def run_sets(bench: Bench) -> None:
    """Logs are made once; the rounds of a set come one after another."""
    bed, rows = bench.bed, GIVEN.rows
    plain = fill(bed.cluster, "plain", rows) if {"rate", "replay", "loaders", "operate", "delay"} & set(GIVEN.sets) else None
    steps: list[Callable[[], None]] = []
    if "rate" in GIVEN.sets and plain:
        steps.append(lambda: bench.pair("rate, 40 columns", plain, not GIVEN.no_pyload))
    if "columns" in GIVEN.sets:
        for columns, share in ((20, 1), (100, 2), (400, 8)):
            wide = fill(bed.cluster, f"wide{columns}", rows // share, columns)
            steps.append(lambda log=wide: bench.pair(f"{log.columns} columns", log))  # type: ignore[misc]
    if "copies" in GIVEN.sets:
        for percent in (1, 5):
            log = fill(bed.cluster, f"copies{percent}", rows, copies=percent / 100)
            steps.append(lambda log=log, percent=percent: bench.pair(f"{percent} % copies", log))  # type: ignore[misc]
    if "replay" in GIVEN.sets and plain:
        steps.append(lambda: bench.replay("replay", plain))
    if "loaders" in GIVEN.sets and plain:
        for count in (1, 2, 3):
            steps.append(lambda count=count: bench.pair(f"{count} loaders", plain, loaders=count))  # type: ignore[misc]
    if "operate" in GIVEN.sets and plain:
        steps.append(lambda: bench.operate("operate", plain))
    if "delay" in GIVEN.sets and plain:
        steps.append(lambda: bench.delayed("delay", plain, 0))
        steps.append(lambda: bench.delayed("delay", plain, 5))
    if "fetch" in GIVEN.sets:
        for partitions in (1, 4, 12):
            log = fill(bed.cluster, f"fetch{partitions}", rows, partitions=partitions)
            steps.append(lambda log=log: bench.pair(f"{log.partitions} partitions, {len(bed.cluster.nodes)} brokers", log))  # type: ignore[misc]
    for number in range(GIVEN.rounds):
        say(f"round {number + 1} of {GIVEN.rounds}")
        for step in steps:
            step()


# --- reporting --------------------------------------------------------------------------------------------------------


def spread(values: list[float], digits: int) -> str:
    shown = [f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))]
    return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def report(runs: Runs) -> None:
    print(f"\n{'median (least to most)':34s}{'records/s':>28s}{'steady':>28s}{'own us':>18s}{'PostgreSQL us':>20s}{'MiB':>18s}{'idle ms':>18s}")
    for case, found in runs.items():
        idle = [run.extra["idle_longest_ms"] for run in found if "idle_longest_ms" in run.extra]
        print(f"{case:34s}{spread([r.rate for r in found], 0):>28s}{spread([r.steady for r in found], 0):>28s}"
              f"{spread([r.own_cpu for r in found], 1):>18s}{spread([r.postgres_cpu for r in found], 1):>20s}"
              f"{spread([r.rss for r in found], 0):>18s}{(spread(idle, 1) if idle else ''):>18s}")
    print("\nratios of one round: steady rate, CPU with PostgreSQL's")
    for case in runs:
        group, _, who = case.partition(": ")
        for other in ("\\copy", "pyload"):
            reference = runs.get(f"{group}: {other}", [])
            if who != other and who != "\\copy" and reference and len(reference) == len(runs[case]):
                pairs = list(zip(runs[case], reference))
                print(f"  {case} / {other}: {spread([a.steady / b.steady for a, b in pairs], 2)}, {spread([a.cpu / b.cpu for a, b in pairs], 2)}")
        if group == "operate" and not who.startswith("first load"):
            first = runs[f"{group}: first load by {who.rpartition(' by ')[2]}"]
            print(f"  {case} / first load: {spread([a.rate / b.rate for a, b in zip(runs[case], first)], 2)}")
        if who.startswith("again by"):
            first = runs[case.replace("again by", "first load by")]
            print(f"  {case} / first load: {spread([a.rate / b.rate for a, b in zip(runs[case], first)], 2)}; "
                  f"WAL bytes a record {spread([a.extra['wal_bytes'] for a in runs[case]], 1)}")
    late = [case for case, found in runs.items() if any(run.extra.get("idle_longest_ms", 0) > IDLE_LIMIT_MS for run in found)]
    print(f"\nidle gaps of the writer above {IDLE_LIMIT_MS} ms while there was lag: {', '.join(late) if late else 'none'}")


def main() -> int:
    print(f"{os.cpu_count()} cores, load average before {os.getloadavg()[0]:.2f}")
    loaders = {}
    for word in GIVEN.loader:
        name, _, path = word.rpartition("=")
        loaders[name or Path(path).name] = Path(path).resolve()
    loaders = loaders or {"loader": build_loader()}
    runs: Runs = {}
    hashes: dict[str, set[str]] = {}
    for nodes in ((1, 3) if "fetch" in GIVEN.sets else (1,)):
        with reachable_folder() as folder, KafkaCluster(folder / "kafka", nodes) as cluster, \
                PrivatePostgres(folder / "postgres") as postgres:
            bench = Bench(Bed(cluster, postgres, folder, next(iter(loaders.values()))), loaders)
            GIVEN.sets = ["fetch"] if nodes == 3 else GIVEN.sets
            run_sets(bench)
            runs.update(bench.runs)
            hashes.update(bench.hashes)
    report(runs)
    different = [case for case, found in hashes.items() if len(found) > 1]
    assert not different, f"the same log gave different rows: {different}"
    if GIVEN.json:
        GIVEN.json.write_text(json.dumps({case: [asdict(run) for run in found] for case, found in runs.items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

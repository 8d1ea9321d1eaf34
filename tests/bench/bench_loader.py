#!/usr/bin/env python3
r"""bench_loader: events from a real Kafka into PostgreSQL, beside psql's \copy of the same rows, in one run.

Starts a private stack (deploy/local/up; its own loader is stopped), fills the topic once by /v1/batch, then, in turn:
one backstitch-loader with an empty database and a group of its own, from its start to the last row; and psql's \copy of
exactly those rows into an empty table of the same definition in the same database. It ends as if it had never run, but
for build/. Not a test: it fails only when rows are missing. How to read its figures: README.md.

Needs the Python packages of tests/requirements.txt: it uses build/test-venv, which tests/run makes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
VENV = TESTS.parent / "build" / "test-venv" / "bin" / "python"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.02
WAIT_SECONDS = 600
PER_REQUEST = 500
# Of the loader's sessions (loader/postgres/connection.c): what could make one of the two faster.
SESSION = "SET synchronous_commit = on; SET timezone = 'UTC'; SET datestyle = 'ISO'; SET client_encoding = 'UTF8'"
GROUP = "bench"
STARTED = time.monotonic()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/bench_loader.py", formatter_class=argparse.RawTextHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="events in the topic (default %(default)s)")
    parser.add_argument("--columns", type=int, default=40, help="columns of their table, 28 to 700 (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, alternating (default %(default)s)")
    given = parser.parse_args()
    if given.rows < 1 or given.rounds < 1 or not 28 <= given.columns <= 700:
        parser.error("--rows and --rounds are at least 1, --columns is from 28 to 700")
    return given


GIVEN = arguments()  # before anything is needed: --help works everywhere
try:
    import psycopg  # noqa: F401
except ImportError:
    if not VENV.exists() or Path(sys.executable) == VENV:
        sys.exit("bench_loader: build/test-venv is not there: run tests/run oracle once, which makes it")
    os.execv(VENV, [str(VENV), *sys.argv])

sys.path.insert(0, str(TESTS / "support"))
from bench_events import make_batch  # noqa: E402
from database import Database  # noqa: E402
from programs import clean_environment  # noqa: E402
from senders import Request, basic, send_all  # noqa: E402
from stack import Stack  # noqa: E402


# --- what a process costs ---------------------------------------------------------------------------------------------


def stat_fields(pid: int) -> list[str]:
    """Of /proc/PID/stat, from the state on; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time so far, without children."""
    return sum(int(field) for field in stat_fields(pid)[11:13]) / TICKS_PER_SECOND


def cpu_seconds_of_family(pid: int) -> float:
    """With its children: those that run and those that have ended. One that ends while we count would be missed, or
    counted twice: then we count again."""
    while True:
        before = stat_fields(pid)[11:15]
        running = sum(cpu_seconds(child) for child in children(pid))
        if stat_fields(pid)[13:15] == before[2:]:
            return sum(int(field) for field in before) / TICKS_PER_SECOND + running


def children(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and stat_fields(int(entry.name))[1:2] == [str(pid)]:
            yield int(entry.name)


def rss_peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@dataclass(frozen=True)
class Run:
    """Of one way to load all rows."""

    seconds: float
    rows_per_second: float
    own_cpu: float  # seconds per 100,000 rows
    postgres_cpu: float  # the same
    rss_mb: float
    first_after: float = 0.0  # the loader's first commit, after its start
    steady: float = 0.0  # rows/s from the first commit seen to the last


# --- the bench --------------------------------------------------------------------------------------------------------


@contextmanager
def private_stack(folder: Path) -> Iterator[Stack]:
    """Kafka, PostgreSQL and ingest."""
    stack = Stack(folder / "stack")
    try:
        say("starting a stack (Kafka, PostgreSQL, ingest)")
        stack.up(1)
        os.kill(stack.pid("loader"), 15)
        yield stack
    finally:
        stack.must("down", "--wipe")


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:5.0f}s  {text}", flush=True)


def fill(stack: Stack) -> None:
    """All events into <prefix>.track, by /v1/batch."""
    headers = basic(stack.env["WRITE_KEY"])
    for first in range(0, GIVEN.rows, 20 * PER_REQUEST):
        starts = range(first, min(GIVEN.rows, first + 20 * PER_REQUEST), PER_REQUEST)
        requests = [Request("/v1/batch", make_batch(start, min(PER_REQUEST, GIVEN.rows - start), GIVEN.columns), headers,
                            (str(start),)) for start in starts]
        report = send_all(stack.env["INGEST_URL"], requests, threads=4)
        assert not report.refused, report.refused
    say(f"{GIVEN.rows:,} events are in Kafka")


def loaded(database: Database) -> int:
    """How many records the committed positions stand for: cheap, unlike counting rows."""
    if not database.has_table("backstitch", "load_offset"):
        return 0
    return int(database.value("SELECT coalesce(sum(next_offset), 0) FROM backstitch.load_offset WHERE topic LIKE '%%.track'"))


def run_loader(stack: Stack, database: Database, log: Path) -> Run:
    """From the start of the process to the commit of the last row."""
    postmaster = stack.pid("postgres")
    loaded(database)  # the session of our own is open, and its catalogue is warm
    database.query("CHECKPOINT")
    postgres_before = cpu_seconds_of_family(postmaster)
    start = time.monotonic()
    first_after, first_rows = 0.0, 0
    with stack.another_loader(log, database.url, GROUP) as loader:
        while (rows := loaded(database)) < GIVEN.rows:
            now = time.monotonic() - start
            assert loader.runs and now < WAIT_SECONDS, f"{rows} of {GIVEN.rows} events after {now:.0f} s:\n{loader.text()}"
            if rows > 0 and first_rows == 0:
                first_after, first_rows = now, rows
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - start
        own, rss = cpu_seconds(loader.pid), rss_peak_mb(loader.pid)
        postgres = cpu_seconds_of_family(postmaster) - postgres_before
        loader.stop()
    per_100k = 100_000 / GIVEN.rows
    steady = (GIVEN.rows - first_rows) / (seconds - first_after) if first_rows else 0.0
    return Run(seconds, GIVEN.rows / seconds, own * per_100k, postgres * per_100k, rss, first_after, steady)


def psql(url: str, *commands: str) -> list[str]:
    return ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", url, *(word for text in commands for word in ("-c", text))]


def run_copy(stack: Stack, database: Database, table: str, rows: Path) -> Run:
    """The same rows from a file, by the client everybody has, into an empty table with the same primary key."""
    postmaster = stack.pid("postgres")
    database.query(f"CREATE TABLE public.copied (LIKE {table} INCLUDING ALL)")
    database.query("CHECKPOINT")
    postgres_before = cpu_seconds_of_family(postmaster)
    start = time.monotonic()
    client = subprocess.Popen(psql(database.url, SESSION, rf"\copy public.copied FROM '{rows}'"), env=clean_environment())
    _, status, usage = os.wait4(client.pid, 0)
    seconds = time.monotonic() - start
    client.returncode = os.waitstatus_to_exitcode(status)
    assert client.returncode == 0, "psql failed"
    postgres = cpu_seconds_of_family(postmaster) - postgres_before
    assert database.count("public", "copied") == GIVEN.rows
    per_100k = 100_000 / GIVEN.rows
    return Run(seconds, GIVEN.rows / seconds, (usage.ru_utime + usage.ru_stime) * per_100k, postgres * per_100k,
               usage.ru_maxrss / 1024)


def run_round(stack: Stack, folder: Path, number: int) -> tuple[Run, Run]:
    """Both, in a database that is made for them and removed again."""
    name, rows = f"bench_{number}", folder / "rows.copy"
    database = Database(stack.make_database(name))
    schema = stack.env["SOURCE_SCHEMA"]
    by_loader = run_loader(stack, database, folder / "loader.log")
    say(f"loader: {by_loader.rows_per_second:,.0f} rows/s")
    assert database.count(schema, "track") == GIVEN.rows, "the table has not all rows"
    if not rows.exists():
        say(f"the table has {len(database.columns(schema, 'track'))} columns")
        subprocess.run(psql(database.url, SESSION, rf'\copy "{schema}".track TO {str(rows)!r}'), env=clean_environment(),
                       check=True)
    by_copy = run_copy(stack, database, f'"{schema}".track', rows)
    say(f"\\copy:  {by_copy.rows_per_second:,.0f} rows/s")
    database.close()
    drop = Database(stack.env["DATABASE_URL"])
    drop.query(f"DROP DATABASE {name} WITH (FORCE)")
    drop.close()
    return by_loader, by_copy


# --- reporting --------------------------------------------------------------------------------------------------------


def spread(name: str, unit: str, values: list[float], digits: int) -> str:
    figures = "".join(f"{value:14,.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"  {name:8s} {unit:34s}{figures}"


def report(by_loader: list[Run], by_copy: list[Run]) -> None:
    print(f"\n{'':43s}{'minimum':>14s}{'median':>14s}{'maximum':>14s}")
    for name, runs in (("loader", by_loader), ("\\copy", by_copy)):
        print(spread(name, "rows/s", [run.rows_per_second for run in runs], 0))
        if name == "loader":
            print(spread("", "rows/s after the first commit", [run.steady for run in runs], 0))
            print(spread("", "first commit after, s", [run.first_after for run in runs], 2))
        print(spread("", "CPU s per 100k rows, own", [run.own_cpu for run in runs], 2))
        print(spread("", "CPU s per 100k rows, PostgreSQL", [run.postgres_cpu for run in runs], 2))
        print(spread("", "peak RSS MB, own", [run.rss_mb for run in runs], 1))
    copy = statistics.median(run.rows_per_second for run in by_copy)
    whole = statistics.median(run.rows_per_second for run in by_loader) / copy
    steady = statistics.median(run.steady for run in by_loader) / copy
    print(f"\nratio: {whole:.2f} of \\copy from the loader's start, {steady:.2f} after its first commit (medians of rows/s)")


def main() -> int:
    print(f"{os.cpu_count()} cores, load average before {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as name, private_stack(Path(name)) as stack:
        fill(stack)
        rounds = [run_round(stack, Path(name), number + 1) for number in range(GIVEN.rounds)]
    report([loader for loader, _ in rounds], [copy for _, copy in rounds])
    return 0


if __name__ == "__main__":
    sys.exit(main())

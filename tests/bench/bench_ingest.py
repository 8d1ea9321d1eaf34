#!/usr/bin/env python3
"""Events from HTTP into Kafka: ingest beside a Go program, a bare civetweb hook and a bare producer, in one run.

Each set starts what it needs on free ports in a temporary folder and leaves nothing behind but build/. Every run has a
fresh server; servers take turns within a round, so that a figure has its reference from the same half minute. Not a
test: no figure fails. How to read the figures: tests/bench/README.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import bench_programs  # noqa: E402
from bench_programs import BuildFailed, program  # noqa: E402
from bench_requests import Requests  # noqa: E402
from ingest_server import IngestServer  # noqa: E402
from kafka_cluster import KafkaCluster  # noqa: E402
from measure import Case, Sample, cpu_seconds, load, measure, ratios, rss_mib, table  # noqa: E402
from ports import lasting_port  # noqa: E402
from perf_profile import profiling  # noqa: E402
from programs import Program, run  # noqa: E402
from waiting import wait_until  # noqa: E402

PARTITIONS = "12"
WARM_SECONDS = 0.6
BROKER_WARM_SECONDS = 8.0  # Java's compiler: a broker's first ten thousands of requests cost three times as much
BY_DEFAULT = ("rate",)
IMPORTED_EVENTS = 300_000


class Bed:
    """Kafka, the topics, and one way to start each server."""

    def __init__(self, folder: Path, brokers: str, kafka: Sequence[int], ingests: dict[str, Path], arguments: argparse.Namespace) -> None:
        self.folder = folder
        self.brokers = brokers
        self.kafka = kafka
        self.rounds, self.seconds = arguments.rounds, arguments.seconds
        self.samples: list[Sample] = []
        self.ingests = {name: IngestServer(binary, folder / name, brokers) for name, binary in ingests.items()}
        self.credentials = None
        for server in self.ingests.values():
            if self.credentials is None:
                self.credentials = server.add_source("Bench")
                registry = server.settings["INGEST_SOURCES_FILE"]
            server.settings["INGEST_SOURCES_FILE"] = registry
        assert self.credentials is not None
        self.requests = Requests(folder, self.credentials)
        self._port = lasting_port()

    @contextmanager
    def server(self, name: str, **settings: str) -> Iterator[tuple[int, int]]:
        """A fresh process; its pid and port."""
        if name.split("+")[0] in self.ingests:
            ingest = self.ingests[name.split("+")[0]]
            with ingest:
                yield ingest.start(**settings).pid, ingest.port
            return
        words = [program("bench_bare_hook"), self._port, 512] if name == "bare" else \
            [program("bench_reference"), "-listen", f"127.0.0.1:{self._port}", "-brokers", self.brokers, "-prefix", "segment"]
        with Program(self.folder / f"{name}.log", [str(word) for word in words]) as process:
            wait_until(lambda: is_listening(process.pid, self._port), f"{name} listens on port {self._port}")
            yield process.pid, self._port

    def measure(self, case: Case, name: str, **settings: str) -> Sample:
        with self.server(name, **settings) as (pid, port):
            load(replace(case, seconds=WARM_SECONDS, rate=0), port)
            sample = measure(case, name, pid, port, self.kafka)
        self.add(sample)
        return sample

    def produce(self, case: Case) -> None:
        """The bare producer on the same events."""
        command = [str(word) for word in (program("bench_producer"), self.brokers, "segment.track", self.requests.events(), case.seconds)]
        before = sum(map(cpu_seconds, self.kafka))
        raw = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        each = 100_000 / raw["delivered"]
        kafka = sum(map(cpu_seconds, self.kafka)) - before
        self.add(Sample(case.name, "producer", raw["delivered"] / raw["us"] * 1e6, raw["cpu"] / 1e6 * each, kafka * each, 0, 0, 0,
                        raw["rss_kib"] / 1024, {"failed": raw["failed"]}))

    def import_file(self, case: Case, name: str, file: Path) -> None:
        server = self.ingests[name]
        assert self.credentials is not None
        words = [str(server.binary), "import", "--source", self.credentials.slug, "--again", "--json",
                 "--progress-file", str(self.folder / "progress"), str(file)]
        before, kafka = resource.getrusage(resource.RUSAGE_CHILDREN), sum(map(cpu_seconds, self.kafka))
        done = run(*words, settings=server.settings)
        assert done.returncode == 0, done.stderr
        after, found = resource.getrusage(resource.RUSAGE_CHILDREN), json.loads(done.stdout)
        each = 100_000 / found["lines"]
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.add(Sample(case.name, name, found["lines"] / found["milliseconds"] * 1e3, cpu * each,
                        (sum(map(cpu_seconds, self.kafka)) - kafka) * each, 0, 0, 0, 0))

    def add(self, sample: Sample) -> None:
        self.samples.append(sample)
        print(f"  {sample.case}: {sample.server}: {sample.rate:,.0f} events/s, CPU {sample.cpu:.2f} s/100k, p99 {sample.p99:.1f} ms"
              f"{', NOT 200: ' + sample.failures if sample.failures else ''}", file=sys.stderr, flush=True)

    def case(self, events: int, connections: int, is_signed: bool = False, is_close: bool = False, **more: float) -> Case:
        name = f"{events} a request, {connections} connections{', signed' * is_signed}{', a connection each' * is_close}"
        file = self.requests.file(events, is_signed, is_close)
        return Case(name, events, connections, file, self.seconds, is_close=is_close, **more)

    def rounds_of(self, cases: Sequence[Case], servers: Sequence[str]) -> None:
        for turn in range(self.rounds):
            for case in cases:
                for name in servers[turn % len(servers):] + servers[:turn % len(servers)]:
                    self.measure(case, name)


def is_listening(pid: int, port: int) -> bool:
    assert Path(f"/proc/{pid}").exists(), "it ended"
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text() or \
        f":{port:04X} 00000000000000000000000000000000:0000 0A" in Path("/proc/net/tcp6").read_text()


# --- the sets -----------------------------------------------------------------------------------------------------------


def rate(bed: Bed) -> None:
    cases = [bed.case(1, 64), bed.case(1, 256), bed.case(100, 16), bed.case(1000, 8)]
    servers = ["bare", "reference", *bed.ingests]
    for turn in range(bed.rounds):
        for case in cases:
            for name in servers[turn % len(servers):] + servers[:turn % len(servers)]:
                if case.events == 1 or name != "bare":
                    bed.measure(case, name)
            if case.events > 1:
                bed.produce(case)


def connections(bed: Bed) -> None:
    cases = [bed.case(1, 1), bed.case(1, 16), bed.case(1, 1000), bed.case(1, 64, is_close=True)]
    bed.rounds_of(cases, ["bare", "reference", *bed.ingests])


def signature(bed: Bed) -> None:
    bed.rounds_of([bed.case(events, count, is_signed) for events, count in ((1, 64), (100, 16)) for is_signed in (False, True)],
                  list(bed.ingests))


def latency(bed: Bed) -> None:
    """At given rates, counted from when each request was due; the highest is half of what the reference can do."""
    bed.rounds_of([replace(bed.case(1, 128, rate=rate), name=f"{rate:,.0f} requests/s") for rate in (500.0, 2000.0, 8000.0)],
                  ["reference", *bed.ingests])


def cluster(bed: Bed) -> None:
    """The Go reference gets no answer from librdkafka's mock: compare versions of ingest here."""
    bed.rounds_of([bed.case(1, 64), bed.case(1, 256), bed.case(100, 16)], list(bed.ingests))


def overload(bed: Bed) -> None:
    """Three times of what it can do, by requests that come whatever happens; then 200 a second, to see when it is well."""
    for name in [*bed.ingests, "reference"]:
        with bed.server(name) as (pid, port):
            closed = bed.case(1, 256)
            load(replace(closed, seconds=WARM_SECONDS), port)
            capacity = load(closed, port)["ok"]["count"] / closed.seconds
            flood = replace(closed, name=f"3 x capacity, {name}", connections=1500, rate=3 * capacity, seconds=8.0)
            before = rss_mib(pid)
            sample = measure(flood, name, pid, port, bed.kafka)
            after = load(replace(closed, connections=8, rate=200.0, seconds=3.0), port)
            ok, other = sample.raw["ok_sent"], sample.raw["other_sent"]
            print(f"\n{name}: capacity {capacity:,.0f}/s; offered {3 * capacity:,.0f}/s over 1,500 connections for 8 s (times from the sending):\n"
                  f"  200: {ok['count'] / 8:,.0f}/s, p50 {ok['p50'] / 1000:.0f} ms, p99 {ok['p99'] / 1000:.0f} ms\n"
                  f"  not: {sample.failures or 'none'}; their p50 {other['p50'] / 1000:.0f} ms, p99 {other['p99'] / 1000:.0f} ms\n"
                  f"  RSS {before:.0f} MiB before, {sample.rss:.0f} at most, {rss_mib(pid):.0f} after\n"
                  f"  then 200 requests/s: last answer but 200 after {(after['last_bad'] or 0) / 1e6:.2f} s, "
                  f"p99 {after['ok']['p99'] / 1000:.0f} ms, {after['statuses']}", flush=True)


def steady(bed: Bed) -> None:
    """The same load for long: --seconds 600 and more show whether memory stays flat."""
    for name in bed.ingests:
        with bed.server(name) as (pid, port):
            cases = [bed.case(1, 256, rate=4000.0), bed.case(100, 16, rate=100.0)]
            print(f"\n{name}: 4,000 single events/s over 256 connections, then 100 requests/s of 100 over 16, and so on")
            for turn in range(10):
                case = replace(cases[turn % 2], seconds=bed.seconds / 10)
                sample = measure(case, name, pid, port, bed.kafka)
                print(f"  RSS at most {sample.rss:.0f} MiB, then {rss_mib(pid):.0f}; p99 {sample.p99:.1f} ms"
                      f"{', NOT 200: ' + sample.failures if sample.failures else ''}", flush=True)


def spool(bed: Bed) -> None:
    """Idle beside live traffic; then everything, with Kafka killed. Each run has an empty folder."""
    cases = [bed.case(1, 256), bed.case(100, 16)]
    for turn in range(bed.rounds):
        for case in cases:
            for name in bed.ingests:
                bed.measure(case, name)
                with tempfile.TemporaryDirectory(dir=bed.folder) as folder:
                    bed.measure(case, f"{name}+spool", **spool_settings(folder))


def away(bed: Bed) -> None:
    """No Kafka at all: what the spool alone can take."""
    for _ in range(bed.rounds):
        for case in (bed.case(1, 64), bed.case(1, 256), bed.case(100, 16), bed.case(1000, 8)):
            for name in bed.ingests:
                with tempfile.TemporaryDirectory(dir=bed.folder) as folder, \
                        bed.server(name, **spool_settings(folder)) as (pid, port):
                    # The first requests wait for Kafka; three of them open the circuit.
                    wait_until(lambda: load(replace(case, seconds=WARM_SECONDS), port)["ok"]["count"] > case.connections * 4,
                               f"{name} acknowledges without Kafka")
                    bed.add(measure(replace(case, name=case.name + ", Kafka away"), name, pid, port, []))


def imports(bed: Bed) -> None:
    """The same events out of files."""
    lines = bed.requests.events().read_bytes()
    repeats = IMPORTED_EVENTS // lines.count(b"\n")
    plain, packed = bed.folder / "events.json", bed.folder / "events.json.gz"
    plain.write_bytes(lines * repeats)
    packed.write_bytes(gzip.compress(lines) * repeats)
    for _ in range(bed.rounds):
        for file in (plain, packed):
            case = replace(bed.case(1, 1), name=f"import, {file.suffix[1:]}")
            for name in bed.ingests:
                bed.import_file(case, name, file)
            bed.produce(case)


def profile(bed: Bed) -> None:
    for case in (bed.case(1, 64), bed.case(1, 256), bed.case(100, 16), bed.case(1000, 8)):
        for name in bed.ingests:
            with bed.server(name) as (pid, port):
                load(replace(case, seconds=WARM_SECONDS), port)
                plain = measure(case, name, pid, port, bed.kafka)  # undisturbed: perf itself costs a few percent
                with profiling(pid, bed.folder, bed.seconds) as found:
                    load(replace(case, seconds=bed.seconds + 0.5), port)
            print(f"\n{name}, {case.name}: {plain.rate:,.0f} events/s\n{found.report(plain.cpu * 10)}", flush=True)


def spool_settings(folder: str) -> dict[str, str]:
    return {"INGEST_SPOOL_DIR": folder, "INGEST_SPOOL_MAX_BYTES": "16GiB"}


# --- the order of things --------------------------------------------------------------------------------------------------


@contextmanager
def real_kafka(folder: Path, arguments: argparse.Namespace) -> Iterator[Bed]:
    with KafkaCluster(folder / "kafka") as kafka:
        bed = Bed(folder, kafka.brokers, kafka.pids, arguments.ingest, arguments)
        next(iter(bed.ingests.values())).make_topics("--dev", "--partitions", PARTITIONS)
        with bed.server("reference") as (_, port):
            load(replace(bed.case(1, 64), seconds=BROKER_WARM_SECONDS), port)
        yield bed


@contextmanager
def mock_cluster(folder: Path, arguments: argparse.Namespace) -> Iterator[Bed]:
    """Three brokers 5 ms away. It ends when its input does."""
    words = [str(program("bench_mock_cluster")), "3", PARTITIONS, "5"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Bed(folder, process.stdout.readline().strip(), [process.pid], arguments.ingest, arguments)


def run_set(name: str, arguments: argparse.Namespace) -> list[Sample]:
    print(f"\n--- {name}: {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="backstitch-bench-") as text, ExitStack() as stack:
        folder = Path(text)
        if name == "away":
            bed = Bed(folder, f"127.0.0.1:{lasting_port()}", [], arguments.ingest, arguments)
        else:
            bed = stack.enter_context((mock_cluster if name == "cluster" else real_kafka)(folder, arguments))
        SET_FUNCTIONS[name](bed)
        if bed.samples:
            print(table(bed.samples))
        for ours in bed.ingests:
            for reference in ("reference", "bare", "producer", *[other for other in bed.ingests if other != ours][:1]):
                print(ratios(bed.samples, ours, reference), end="")
            print(ratios(bed.samples, f"{ours}+spool", ours))
        return bed.samples


SET_FUNCTIONS = {"rate": rate, "connections": connections, "signature": signature, "spool": spool, "away": away,
                 "cluster": cluster, "latency": latency, "overload": overload, "profile": profile, "steady": steady,
                 "imports": imports}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"{', '.join(SET_FUNCTIONS)} (default: {', '.join(BY_DEFAULT)})")
    parser.add_argument("--rounds", type=int, default=3, help="of each run, servers taking turns (default 3)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a run (default 3)")
    parser.add_argument("--ingest", action="append", default=[], metavar="NAME=PROGRAM",
                        help="measure this program as NAME; several compare versions (default: build/release, built first)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.sets if name not in SET_FUNCTIONS]
    if unknown or not all("=" in given for given in arguments.ingest):
        parser.error(f"unknown set {unknown[0]!r}" if unknown else "--ingest needs NAME=PROGRAM")
    arguments.is_ours = not arguments.ingest
    arguments.ingest = {name: Path(path).resolve() for name, _, path in (given.partition("=") for given in arguments.ingest)} or \
        {"ingest": bench_programs.INGEST}
    return arguments


def main() -> int:
    arguments = parse()
    start = time.monotonic()
    try:
        bench_programs.build(arguments.is_ours)
    except BuildFailed as problem:
        print(f"bench_ingest: {problem}", file=sys.stderr)
        return 1
    samples = [sample for name in arguments.sets or BY_DEFAULT for sample in run_set(name, arguments)]
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(sample) for sample in samples], indent=1))
    print(f"\n{time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

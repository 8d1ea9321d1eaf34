"""measure: one run of the load generator against one server: rate, CPU, memory, latency; and rounds of them, compared.

All figures of a run come from the same seconds: the generator's own, /proc of the server, /proc of Kafka. A process's
peak of memory is counted from the run's start (`clear_refs`).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_programs import program

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Case:
    """What is sent: `events` a request over `connections`; `rate` 0 is a closed loop."""

    name: str
    events: int
    connections: int
    requests: Path
    seconds: float
    rate: float = 0
    is_close: bool = False
    timeout: float = 5


@dataclass
class Sample:
    """One run. Times in milliseconds, CPU in seconds for 100,000 acknowledged events, memory in MiB."""

    case: str
    server: str
    rate: float  # acknowledged events a second
    cpu: float
    kafka_cpu: float
    load_cpu: float  # of the generator: how fast the machine was
    p50: float
    p99: float
    rss: float
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def failures(self) -> str:
        """What was not 200; empty when all was."""
        other = {status: count for status, count in self.raw.get("statuses", {}).items() if status != "200"}
        counts = {name: self.raw.get(name, 0) for name in ("broken", "timed_out", "unsent") if self.raw.get(name, 0)}
        return ", ".join(f"{name}: {count}" for name, count in {**other, **counts}.items())


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def thread_seconds(pid: int) -> dict[str, tuple[str, float]]:
    """CPU of each thread, by its id, with its name. Threads that end meanwhile are left out."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        found[task.name] = (name, (int(fields[11]) + int(fields[12])) / TICKS)
    return found


def busiest_thread(before: dict[str, tuple[str, float]], after: dict[str, tuple[str, float]], seconds: float) -> str:
    """"rdk:broker1 0.42": the thread that used most of a core. One that spins uses all of one whatever the load is."""
    used = {task: cpu - before.get(task, ("", 0.0))[1] for task, (_, cpu) in after.items()}
    most = max(used, key=lambda task: used[task])
    return f"{after[most][0]} {used[most] / seconds:.2f}"


def rss_mib(pid: int, name: str = "VmRSS") -> float:
    """VmRSS now, VmHWM at most since rss_reset."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def rss_reset(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def load_command(case: Case, port: int, host: str) -> list[str]:
    words = [program("bench_load"), f"{host}:{port}", case.requests, "--connections", case.connections, "--seconds",
             case.seconds, "--timeout", case.timeout, *(["--rate", case.rate] if case.rate else []),
             *(["--close"] if case.is_close else [])]
    return [str(word) for word in words]


def load(case: Case, port: int, host: str = "127.0.0.1") -> dict[str, Any]:
    """A run of the generator alone; what it printed."""
    done = subprocess.run(load_command(case, port, host), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def measure(case: Case, server: str, pid: int, port: int, kafka: Sequence[int]) -> Sample:
    rss_reset(pid)
    before, kafka_before, threads = cpu_seconds(pid), sum(map(cpu_seconds, kafka)), thread_seconds(pid)
    raw = load(case, port)
    raw["busiest"] = busiest_thread(threads, thread_seconds(pid), case.seconds)
    cpu, kafka_cpu = cpu_seconds(pid) - before, sum(map(cpu_seconds, kafka)) - kafka_before
    events = raw["ok"]["count"] * case.events
    each = 100_000 / events if events else float("nan")
    seconds = (raw["last_answer"] or 1) / 1e6
    return Sample(case.name, server, events / max(seconds, case.seconds), cpu * each, kafka_cpu * each,
                  raw["cpu"] / 1e6 * each, raw["ok"]["p50"] / 1000, raw["ok"]["p99"] / 1000, rss_mib(pid, "VmHWM"), raw)


# --- many of them -----------------------------------------------------------------------------------------------------


def spread(values: Iterable[float], digits: int) -> str:
    """`median (least to most)`."""
    known = sorted(values)
    if len(known) == 1:
        return f"{known[0]:,.{digits}f}"
    shown = [f"{value:,.{digits}f}" for value in (statistics.median(known), known[0], known[-1])]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


COLUMNS = (("events/s", "rate", 0), ("CPU s/100k", "cpu", 2), ("p50 ms", "p50", 2), ("p99 ms", "p99", 1), ("RSS MiB", "rss", 0),
           ("Kafka CPU", "kafka_cpu", 2), ("load CPU", "load_cpu", 2))


def table(samples: Sequence[Sample]) -> str:
    """One line a case and server, in the order in which they were measured first."""
    lines = []
    for case in dict.fromkeys(sample.case for sample in samples):
        lines.append(f"\n{case}")
        rows = [["", *(name for name, _, _ in COLUMNS), "busiest thread, cores"]]
        for server in dict.fromkeys(sample.server for sample in samples if sample.case == case):
            own = [sample for sample in samples if (sample.case, sample.server) == (case, server)]
            rows.append([server, *(spread([getattr(one, name) for one in own], digits) for _, name, digits in COLUMNS),
                         max((one.raw.get("busiest", "") for one in own), key=lambda text: text[-4:])])
            failures = sorted({one.failures for one in own if one.failures})
            lines += [f"  {server}: not 200: {'; '.join(failures)}"] if failures else []
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += ["  " + "  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


def ratios(samples: Sequence[Sample], ours: str, reference: str) -> str:
    """Ours against the reference, round by round: the machine's speed drifts, so only runs side by side compare."""
    lines = []
    for case in dict.fromkeys(sample.case for sample in samples):
        own = [one for one in samples if (one.case, one.server) == (case, ours)]
        other = [one for one in samples if (one.case, one.server) == (case, reference)]
        if own and other:
            pairs = list(zip(own, other))
            parts = [f"{word} {spread([getattr(a, name) / getattr(b, name) for a, b in pairs if getattr(b, name)], 2)}"
                     for word, name in (("rate", "rate"), ("CPU", "cpu"), ("p99", "p99"), ("RSS", "rss")) if any(getattr(b, name) for _, b in pairs)]
            lines.append(f"  {case}: {', '.join(parts)}")
    return f"\n{ours} / {reference}, ratios of one round:\n" + "\n".join(lines) if lines else ""

"""bench_programs: builds what the benches of ingest run, into build/bench: the load generator, the references, ingest.

The C programs are compiled with -O2, the Go reference by the Go tools (its modules come from the Go module proxy), ingest
by the preset `release`, as deploy/local builds it. A missing tool is named, with the Debian package that has it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parents[1]
BUILD = ROOT / "build" / "bench"
TOOLS = {"cc": "gcc", "cmake": "cmake", "go": "golang (1.25 or later; or from go.dev)"}

C_PROGRAMS = {
    "bench_load": (sorted((BENCH / "load").glob("*.c")), ["-lpthread", "-lm"]),
    "bench_bare_hook": ([BENCH / "bench_bare_hook.c"], ["-lcivetweb", "-lpthread"]),
    "bench_mock_cluster": ([BENCH / "bench_mock_cluster.c"], ["-lrdkafka"]),
    "bench_producer": ([BENCH / "bench_producer.c"], ["-lrdkafka", "-lpthread"]),
}


class BuildFailed(Exception):
    """With what to do in its text."""


def _run(*command: object, folder: Path = ROOT) -> None:
    done = subprocess.run([str(word) for word in command], cwd=folder, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(map(str, command[:3]))} .. failed in {folder}:\n{done.stdout}{done.stderr}")


def build_c(name: str) -> Path:
    """One of C_PROGRAMS."""
    sources, libraries = C_PROGRAMS[name]
    BUILD.mkdir(parents=True, exist_ok=True)
    _run("cc", "-O2", "-std=gnu11", f"-I{ROOT}", "-o", BUILD / name, *sources, *libraries)
    return program(name)


def build(is_with_ingest: bool) -> None:
    """All programs; ingest too unless the caller names one."""
    missing = [f"{tool} (package {package})" for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise BuildFailed("missing: " + ", ".join(missing))
    for name in C_PROGRAMS:
        build_c(name)
    _run("go", "build", "-buildvcs=false", "-o", BUILD / "bench_reference", ".", folder=BENCH / "reference")
    if is_with_ingest:
        if not (ROOT / "build" / "release" / "build.ninja").exists():
            _run("cmake", "--preset", "release")
        _run("cmake", "--build", "--preset", "release", "--target", "backstitch-ingest")


def program(name: str) -> Path:
    return BUILD / name


INGEST = ROOT / "build" / "release" / "ingest" / "backstitch-ingest"

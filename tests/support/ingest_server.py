"""An ingest of a test's own: its registry, its topics, its process; started, stopped and killed as the test likes."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.request import ProxyHandler, build_opener

from ports import lasting_port
from programs import Program, run

DIRECT = build_opener(ProxyHandler({}))  # whatever proxy the environment names


@dataclass(frozen=True)
class Credentials:
    """Of one source, as `source add --json` printed them."""

    slug: str
    schema: str
    write_key: str
    token: str
    secret: str


class IngestServer:
    """One `backstitch-ingest serve` on ports of its own, which it keeps over restarts."""

    def __init__(self, program: Path, folder: Path, brokers: str, wrapper: Sequence[str] = (), **settings: str) -> None:
        """`wrapper` goes before the program, such as `prlimit --as=..`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.binary = program
        self.log = folder / "ingest.log"
        self.port, self.admin = lasting_port(), lasting_port()
        self.wrapper = list(wrapper)
        self.settings = {"KAFKA_BROKERS": brokers, "INGEST_SOURCES_FILE": str(folder / "sources.json"),
                         "INGEST_LISTEN": f"127.0.0.1:{self.port}", "INGEST_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
                         "INGEST_PUBLIC_URL": f"http://127.0.0.1:{self.port}", **settings}
        self._process: Program | None = None

    # --- commands -----------------------------------------------------------------------------------------------------

    def command(self, *arguments: str) -> str:
        """Another command of the program with the same settings; its stdout."""
        done = run(str(self.binary), *arguments, settings=self.settings)
        assert done.returncode == 0, f"{arguments}: exit code {done.returncode}\n{done.stderr}"
        return done.stdout

    def add_source(self, name: str, *flags: str) -> Credentials:
        """Before the start: a running ingest notices it only after a while."""
        printed = json.loads(self.command("source", "add", name, "--json", *flags))
        return Credentials(**{field: printed[field] for field in Credentials.__dataclass_fields__})

    def make_topics(self, *flags: str) -> None:
        self.command("topics", *flags)

    # --- the process --------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> Program:
        assert self._process is not None, "ingest was never started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.runs

    def launch(self, **settings: str) -> None:
        """Starts it without waiting; the settings are of this start alone."""
        assert not self.runs, "ingest runs"
        self._process = Program(self.log, [*self.wrapper, str(self.binary), "serve"], **{**self.settings, **settings})

    def start(self, **settings: str) -> IngestServer:
        """And waits until it is ready."""
        self.launch(**settings)
        self.process.wait_ready(self.admin)
        return self

    def stop(self, seconds: float = 40) -> int:
        """SIGTERM; its exit code."""
        return self.process.stop(seconds)

    def kill(self) -> None:
        self.process.send(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> IngestServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.__exit__(kind, value, trace)

    # --- what it says -------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """Its log, of all its processes."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def metrics(self) -> dict[str, float]:
        """Series by name and labels as they are printed."""
        with DIRECT.open(f"http://127.0.0.1:{self.admin}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return {series: float(value) for series, value in re.findall(r"^([a-z_]\S*(?:\{.*\})?) (\S+)$", text, re.M)}

    def metric(self, name: str) -> float:
        """The sum over a metric's series; 0 when there is none."""
        return sum(value for series, value in self.metrics().items() if series == name or series.startswith(name + "{"))

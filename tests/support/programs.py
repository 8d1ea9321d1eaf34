"""Processes of a test's own: started with their output in a file, waited for, and stopped by pid whatever happens."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from types import TracebackType

from waiting import wait_until

# What the caller's environment may hold of a stack or of our programs must not reach a test's own processes.
FOREIGN = ("BACKSTITCH_", "INGEST_", "LOADER_", "KAFKA_", "DATABASE_", "LOG_", "PG")


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without anything that configures us, and the settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, **settings}


def run(program: str, *arguments: str, settings: Mapping[str, str] | None = None, seconds: float = 60,
        stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """A command to its end, in a clean environment, with its output as text."""
    done = subprocess.run([program, *arguments], env=clean_environment(**(settings or {})), input=stdin,
                          capture_output=True, timeout=seconds, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def is_alive(pid: int) -> bool:
    """False for zombies too: in a container nobody may collect them."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def is_ready(port: int) -> bool:
    """The admin port on this machine says ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Program:
    """A process that runs until it is told to stop; `with` stops it on every path."""

    def __init__(self, log: Path, arguments: Sequence[str], **settings: str) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(arguments, env=clean_environment(**settings), stdin=subprocess.DEVNULL,
                                             stdout=output, stderr=output)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def wait_ready(self, admin_port: int) -> None:
        def ready() -> bool:
            assert self.runs, f"ended with {self._process.returncode}:\n{self.text()}"
            return is_ready(admin_port)

        wait_until(ready, f"{self.log.name} ready on port {admin_port}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(timeout=seconds)

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM; its exit code."""
        self.send(signal.SIGTERM)
        return self.wait(seconds)


def kill_again_and_again(start: Callable[[], subprocess.Popen[str]], times: int, random: Random, least: float, most: float) -> int:
    """Starts it so often, and kills it with -9 after so many seconds at random; how often it had not ended by itself."""
    killed = 0
    for _ in range(times):
        process = start()
        try:
            process.communicate(timeout=random.uniform(least, most))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
    return killed

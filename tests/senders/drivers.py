"""The drivers: a program per library, in its own language, that makes the calls it is given and reports what the library called an error."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from programs import clean_environment
from waiting import wait_until

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("BACKSTITCH_SENDERS", HERE.parents[1] / "build" / "senders"))
TRUST_PASSWORD = "throw-away"
LONGEST_SECONDS = 150
LONGEST_ARRIVAL_SECONDS = 90

NODE = HERE / "node"


def node(script: str) -> list[str]:
    """node_modules is beside the copies of the scripts."""
    return ["node", str(BUILD / "node" / script)]


def python(script: str) -> list[str]:
    return [str(BUILD / "python" / "bin" / "python"), str(HERE / "python" / script)]


def go() -> list[str]:
    return [str(BUILD / "go" / "senders")]


def java(name: str, trust: Path | None = None) -> list[str]:
    """`trust` is a key store of certificates to believe."""
    store = [] if trust is None else [f"-Djavax.net.ssl.trustStore={trust}", f"-Djavax.net.ssl.trustStorePassword={TRUST_PASSWORD}"]
    return ["java", *store, "-cp", f"{BUILD}/java/classes:{BUILD}/java/libs/*", name]


def start(command: Sequence[str], **settings: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=clean_environment(**settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes], stdin: bytes) -> Any:
    """The report, the last line of its output; fails with what it wrote when it did not end well."""
    try:
        out, err = process.communicate(stdin, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{process.args} did not end: {out.decode()}{err.decode()}") from None
    assert process.returncode == 0, f"{process.args} exits {process.returncode}: {out.decode()}{err.decode()}"
    return json.loads(out.decode().splitlines()[-1])


def run_until(command: Sequence[str], calls: bytes, has_arrived: Callable[[], bool], what: str) -> Any:
    """For libraries that send in their own time: the calls in one line, and the end only when all has arrived."""
    process = start(command)
    assert process.stdin is not None
    process.stdin.write(calls + b"\n")
    process.stdin.flush()
    try:
        wait_until(lambda: has_arrived() or process.poll() is not None, what, LONGEST_ARRIVAL_SECONDS)
    except AssertionError as late:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{late}: {out.decode()}{err.decode()}") from None
    return finish(process, b"end\n")


def run(command: Sequence[str], stdin: bytes) -> Any:
    return finish(start(command), stdin)

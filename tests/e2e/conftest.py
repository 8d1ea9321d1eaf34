"""What end-to-end tests share: one stack for the session, and per test a source, a client and the way into the servers.

The stack is deploy/local's, with three loaders, in a folder and on ports of its own; it is removed at the end. When
BACKSTITCH_STATE is set, the stack there is used (and brought up when it is not) and left to the caller.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from database import Database  # noqa: E402
from kafka_log import KafkaLog  # noqa: E402
from senders import Client  # noqa: E402
from stack import Source, Stack  # noqa: E402

LOADERS = 3
SOURCES_AT_ONCE = 40
SETTINGS = {"INGEST_TRUSTED_PROXIES": "127.0.0.1/32"}  # so that X-Forwarded-For of a test counts
LOG_LINES = 15  # of each part, beside a failure

numbers = (f"{os.getpid()} {number}" for number in count(1))  # a stack may outlive a run


@pytest.fixture(scope="session")
def session_stack() -> Iterator[Stack]:
    """The stack as it came up; tests use `stack`."""
    given = os.environ.get("BACKSTITCH_STATE") or None
    port_base = os.environ.get("BACKSTITCH_PORT_BASE")
    state = Path(given or tempfile.mkdtemp(prefix="backstitch-e2e-"))
    stack = Stack(state, int(port_base) if given and port_base else None, **SETTINGS)
    try:
        stack.up(LOADERS)
        stack.must("restart", "ingest")  # with our settings, when the caller brought it up
        yield stack
    finally:
        if given is None:
            stack.must("down", "--wipe")
            shutil.rmtree(state, ignore_errors=True)


@pytest.fixture
def stack(session_stack: Stack, request: pytest.FixtureRequest) -> Stack:
    """The session's stack with all parts running, whatever an earlier test left behind."""
    if not session_stack.is_well() or len(session_stack.loaders) != LOADERS:
        session_stack.up(LOADERS)
    request.node.stack_logs = {part: (session_stack, session_stack.log_size(part)) for part in ("ingest", *session_stack.loaders)}
    return session_stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure: what our programs have logged since the test began."""
    report = yield
    if report.failed:
        for part, (stack, size) in getattr(item, "stack_logs", {}).items():
            lines = stack.log(part)[size:].splitlines()[-LOG_LINES:]
            if lines:
                report.sections.append((f"log of {part}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def log(session_stack: Stack) -> KafkaLog:
    """The stack's Kafka."""
    return KafkaLog(session_stack.env["KAFKA_BROKERS"])


@pytest.fixture(scope="session")
def database(session_stack: Stack) -> Iterator[Database]:
    """The stack's PostgreSQL."""
    found = Database(session_stack.env["DATABASE_URL"])
    yield found
    found.close()


@pytest.fixture
def source_name() -> str:
    """A name that no other source of the session has."""
    return f"E2E {next(numbers)}"


@pytest.fixture(scope="session")
def unused_sources() -> list[Source]:
    """Sources that ingest knows already: it reads its registry once a second, so they are made many at once."""
    return []


@pytest.fixture
def source(stack: Stack, unused_sources: list[Source]) -> Source:
    """A fresh source, known to ingest."""
    if not unused_sources:
        unused_sources += [stack.register_source(f"E2E {next(numbers)}") for _ in range(SOURCES_AT_ONCE)]
        stack.wait_known(unused_sources[-1])
    return unused_sources.pop(0)


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    """A connection to ingest."""
    connection = Client(stack.env["INGEST_URL"])
    yield connection
    connection.close()

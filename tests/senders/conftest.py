"""What the tests with real senders share: one stack, an ingest that refuses, a gate in front, and the drivers' programs.

tests/run senders installs the libraries (build/senders) and says where they are. The stack is deploy/local's, with one loader, in a folder
and on ports of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from database import Database  # noqa: E402
from gate import Gate  # noqa: E402
from kafka_log import KafkaLog  # noqa: E402
from ports import free_port  # noqa: E402
from programs import Program  # noqa: E402
from senders import Client, basic  # noqa: E402
from stack import Source, Stack  # noqa: E402
from waiting import wait_until  # noqa: E402

NOBODY = "127.0.0.1:1"
numbers = (f"{os.getpid()} {number}" for number in count(1))


@pytest.fixture(scope="session")
def gate_port() -> int:
    """The one address that senders use, which ingest's settings name as well."""
    return free_port()


@pytest.fixture(scope="session")
def session_stack(gate_port: int) -> Iterator[Stack]:
    given = os.environ.get("BACKSTITCH_STATE")
    port_base = os.environ.get("BACKSTITCH_PORT_BASE")
    state = Path(given or tempfile.mkdtemp(prefix="backstitch-senders-"))
    stack = Stack(state, int(port_base) if given and port_base else None, INGEST_PUBLIC_URL=f"http://localhost:{gate_port}")
    try:
        stack.up(1)
        stack.must("restart", "ingest")  # with our address, when the caller brought it up
        yield stack
    finally:
        if given is None:
            stack.must("down", "--wipe")
            shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def log(session_stack: Stack) -> KafkaLog:
    return KafkaLog(session_stack.env["KAFKA_BROKERS"])


@pytest.fixture(scope="session")
def database(session_stack: Stack) -> Iterator[Database]:
    found = Database(session_stack.env["DATABASE_URL"])
    yield found
    found.close()


@pytest.fixture
def source(session_stack: Stack, refusing_url: str) -> Source:
    """A fresh source, known to the stack's ingest and to the one that refuses."""
    made = session_stack.add_source(f"Sender {next(numbers)}")
    client = Client(refusing_url)
    wait_until(lambda: client.post("/v1/batch", b'{"batch":[]}', basic(made.write_key)).status != 401, "the source is known", 15)
    client.close()
    return made


@pytest.fixture(scope="session")
def refusing_url(session_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An ingest with the same sources that reaches no Kafka: every answer of it is a real 503."""
    listen, admin = free_port(), free_port()
    settings = {**session_stack.ingest_settings, "KAFKA_BROKERS": NOBODY, "INGEST_LISTEN": f"127.0.0.1:{listen}",
                "INGEST_ADMIN_LISTEN": f"127.0.0.1:{admin}", "INGEST_KAFKA_ACK_TIMEOUT": "100ms"}
    with Program(tmp_path_factory.mktemp("refusing") / "log", [session_stack.env["INGEST_BIN"], "serve"], **settings) as ingest:
        ingest.wait_ready(admin)
        yield f"http://127.0.0.1:{listen}"


@pytest.fixture
def gate(session_stack: Stack, refusing_url: str, gate_port: int) -> Iterator[Gate]:
    with Gate(session_stack.env["INGEST_URL"], refusing_url, port=gate_port) as opened:
        yield opened


# --- TLS, which the mobile libraries insist on ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate for localhost in one file, signed by itself; beside it trust.p12 for Java."""
    folder = tmp_path_factory.mktemp("tls")
    key, plain, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", plain, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost")
    both.write_bytes(key.read_bytes() + plain.read_bytes())
    _run("keytool", "-importcert", "-noprompt", "-alias", "gate", "-file", plain, "-keystore", folder / "trust.p12", "-storepass", "throw-away")
    return both


@pytest.fixture
def tls_gate(session_stack: Stack, refusing_url: str, certificate: Path, tmp_path: Path) -> Iterator[Gate]:
    """A gate that ends TLS, in front of an ingest whose settings name it."""
    listen, admin, outside = free_port(), free_port(), free_port()
    settings = {**session_stack.ingest_settings, "INGEST_LISTEN": f"127.0.0.1:{listen}", "INGEST_ADMIN_LISTEN": f"127.0.0.1:{admin}",
                "INGEST_PUBLIC_URL": f"https://localhost:{outside}"}
    with Program(tmp_path / "ingest.log", [session_stack.env["INGEST_BIN"], "serve"], **settings) as ingest:
        ingest.wait_ready(admin)
        with Gate(f"http://127.0.0.1:{listen}", refusing_url, certificate, outside) as opened:
            yield opened


def _run(*arguments: str | Path) -> None:
    subprocess.run([str(argument) for argument in arguments], check=True, capture_output=True)

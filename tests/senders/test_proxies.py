"""The two proxies of deploy/proxy in front of a real ingest: TLS, large bodies, the sender's address, and 503 when no ingest is there."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from calls import as_json, calls_of, check_rows
from database import Database
from drivers import finish, node, start
from kafka_log import KafkaLog
from loading import wait_loaded
from ports import free_port
from programs import Program
from senders import basic, bearer
from stack import TYPES, Source, Stack
from waiting import wait_until

PROXY = Path(__file__).resolve().parents[2] / "deploy" / "proxy"
CLIENT = "127.0.0.2"  # not the proxy's own address, which ingest trusts
SBIN = "/usr/sbin:/sbin"


@dataclass
class Front:
    """A proxy with TLS on localhost, and the ingest behind it."""

    port: int
    context: ssl.SSLContext
    certificate: Path
    ingest_settings: dict[str, str]
    ingest_command: list[str]
    ingest: Program
    admin: int

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=30, source_address=(CLIENT, 0))
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response


def nginx(folder: Path, port: int, ingest: int, certificate: Path) -> list[str]:
    """Debian's module folders and pid file are not ours to use: all paths below `folder`."""
    text = (PROXY / "nginx.conf").read_text()
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("127.0.0.1:8080", f"127.0.0.1:{ingest}")
    text = text.replace("/etc/nginx/events.pem", str(certificate)).replace("/etc/nginx/events.key", str(certificate))
    paths = "".join(f"    {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = text.replace("http {\n", f"http {{\n    access_log off;\n{paths}")
    # One process, with the rights of its folder: workers would outlive a master that is killed.
    (folder / "nginx.conf").write_text(f"master_process off;\ndaemon off;\npid {folder}/pid;\nerror_log stderr;\n" + text)
    program = shutil.which("nginx", path=SBIN) or "nginx"
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def haproxy(folder: Path, port: int, ingest: int, certificate: Path, admin: int) -> list[str]:
    text = (PROXY / "haproxy.cfg").read_text()
    text = text.replace("bind :443", f"bind 127.0.0.1:{port}").replace("127.0.0.1:8080", f"127.0.0.1:{ingest}")
    text = text.replace("port 8081", f"port {admin}").replace("/etc/haproxy/events.pem", str(certificate))
    (folder / "haproxy.cfg").write_text(text)
    program = shutil.which("haproxy", path=SBIN) or "haproxy"
    return [program, "-db", "-f", str(folder / "haproxy.cfg")]


@pytest.fixture(params=["nginx", "haproxy"])
def front(request: pytest.FixtureRequest, session_stack: Stack, certificate: Path, tmp_path: Path) -> Iterator[Front]:
    listen, admin, outside = free_port(), free_port(), free_port()
    settings = {**session_stack.ingest_settings, "INGEST_LISTEN": f"127.0.0.1:{listen}", "INGEST_ADMIN_LISTEN": f"127.0.0.1:{admin}",
                "INGEST_PUBLIC_URL": f"https://localhost:{outside}", "INGEST_TRUSTED_PROXIES": "127.0.0.1"}
    command = [session_stack.env["INGEST_BIN"], "serve"]
    if request.param == "nginx":
        proxy_command = nginx(tmp_path, outside, listen, certificate)
    else:
        proxy_command = haproxy(tmp_path, outside, listen, certificate, admin)
    context = ssl.create_default_context(cafile=str(certificate.with_name("certificate.pem")))
    with ExitStack() as stack:
        ingest = stack.enter_context(Program(tmp_path / "ingest.log", command, **settings))
        ingest.wait_ready(admin)
        proxy = stack.enter_context(Program(tmp_path / "proxy.log", proxy_command))
        opened = Front(outside, context, certificate, settings, command, ingest, admin)

        def answers() -> bool:
            assert proxy.runs, proxy.text()
            try:
                return opened.request("GET", "/").status == 404
            except OSError:
                return False

        wait_until(answers, "the proxy answers for ingest")
        yield opened
        if ingest is not opened.ingest:
            opened.ingest.__exit__(None, None, None)


@pytest.fixture
def known(front: Front, source: Source) -> Source:
    """A source that the ingest behind the proxy has read too."""
    path = f"/v1/projects/{source.write_key}/settings"
    wait_until(lambda: front.request("GET", path).status == 200, "the source is known behind the proxy", 15)
    return source


def event(id_: str, **members: object) -> bytes:
    return json.dumps({"type": "track", "messageId": id_, "userId": "u", "event": "E", **members}).encode()


def test_a_library_sends_through_it(front: Front, known: Source, log: KafkaLog, database: Database) -> None:
    calls = calls_of(*TYPES)
    process = start([*node("analytics_node.mjs"), f"https://localhost:{front.port}", known.write_key, "@segment/analytics-node"],
                    NODE_EXTRA_CA_CERTS=str(front.certificate.with_name("certificate.pem")))
    assert finish(process, as_json(calls))["errors"] == []
    wait_loaded(log, database)
    check_rows(database, known.schema, calls)


def test_settings_and_odd_paths_pass_unchanged(front: Front, known: Source) -> None:
    settings = front.request("GET", f"//v1/projects/{known.write_key}/settings")
    assert settings.status == 200 and f"localhost:{front.port}/v1" in settings.body.decode()  # type: ignore[attr-defined]
    assert front.request("POST", "//v1//tr%61ck/", event("odd"), basic(known.write_key)).status == 200


def test_a_body_of_19_mib_passes(front: Front, known: Source) -> None:
    body = b"[" + event("large") + b" " * (19 * 1024 * 1024) + b"]"
    assert front.request("POST", known.webhook_path, body, bearer(known.token)).status == 200


def test_the_senders_address_is_the_proxys_word(front: Front, known: Source, log: KafkaLog, database: Database) -> None:
    body = event("ip", context={"library": {"name": "analytics.js"}})
    assert front.request("POST", "/v1/track", body, {**basic(known.write_key), "X-Forwarded-For": "6.6.6.6"}).status == 200
    wait_loaded(log, database)
    assert [row["context__ip"] for row in database.rows(known.schema, "track")] == [CLIENT]


def test_without_an_ingest_it_is_503_that_all_can_read_until_one_is_back(front: Front, known: Source, tmp_path: Path) -> None:
    front.ingest.__exit__(None, None, None)
    answer = front.request("POST", "/v1/track", event("away"), basic(known.write_key))
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"], answer.headers["Retry-After"]) == (503, "*", "5")
    assert json.loads(answer.body)["success"] is False  # type: ignore[attr-defined]
    front.ingest = Program(tmp_path / "ingest-2.log", front.ingest_command, **front.ingest_settings)
    front.ingest.wait_ready(front.admin)
    wait_until(lambda: front.request("POST", "/v1/track", event("back"), basic(known.write_key)).status == 200, "ingest is back", 15)

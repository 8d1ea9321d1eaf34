"""A gate between a real sender and ingest: notes each request and its answer, and makes ingest refuse when a test says so.

A refusal is a real one: the request goes to a second ingest that reaches no Kafka. Nothing is changed on the way but the
connection's own headers; with a certificate the gate ends TLS, as a load balancer does.
"""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
EVENT_METHODS = {"POST", "PUT", "PATCH"}


@dataclass(frozen=True)
class Passed:
    """One request and how it was answered."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes  # not compressed
    status: int
    answer: bytes

    @property
    def ids(self) -> list[str]:
        """The message ids in it."""
        return list(_message_ids(json.loads(self.body))) if self.method in EVENT_METHODS and self.body else []


def _message_ids(value: Any) -> list[str]:
    if isinstance(value, list):
        return [id_ for item in value for id_ in _message_ids(item)]
    if not isinstance(value, dict):
        return []
    if "batch" in value:  # its own messageId is the batch's
        return _message_ids(value["batch"])
    found = [value["messageId"]] if "messageId" in value else []
    return found + ([] if found else _message_ids(value.get("json")))  # the extensible webhook's wrapper


class Gate:
    """`with Gate(ingest_url, refusing_url) as gate`: senders use gate.url."""

    def __init__(self, ingest_url: str, refusing_url: str, certificate: Path | None = None, port: int = 0) -> None:
        self._targets = {False: urlsplit(ingest_url).netloc, True: urlsplit(refusing_url).netloc}
        self._lock = threading.Lock()
        self._passed: list[Passed] = []
        self._to_refuse = 0
        gate = self

        class Handler(_Handler):
            def pass_on(self, method: str, body: bytes) -> Passed:
                return gate._pass_on(method, self, body)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https" if certificate is not None else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self.host}"

    def refuse_next(self, requests: int) -> None:
        """So many requests with events get ingest's 503."""
        with self._lock:
            self._to_refuse = requests

    @property
    def passed(self) -> list[Passed]:
        with self._lock:
            return list(self._passed)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(request.status for request in self.passed)

    @property
    def acknowledged(self) -> Counter[str]:
        """How often each message id was answered with 200."""
        return Counter(id_ for request in self.passed if request.status == 200 for id_ in request.ids)

    def _pass_on(self, method: str, request: BaseHTTPRequestHandler, body: bytes) -> Passed:
        with self._lock:
            is_refused = self._to_refuse > 0 and method in EVENT_METHODS and not request.path.endswith("/m")
            self._to_refuse -= is_refused
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        connection = http.client.HTTPConnection(self._targets[is_refused], timeout=30)
        try:
            connection.request(method, request.path, body=body if body or method in EVENT_METHODS else None, headers=headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        plain = gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body
        lower = {name.lower(): value for name, value in request.headers.items()}
        passed = Passed(method, request.path, lower, plain, response.status, answer)
        with self._lock:
            self._passed.append(passed)
        request.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                request.send_header(name, value)
        if response.status != 204:
            length = response.getheader("Content-Length") if method == "HEAD" else str(len(answer))
            request.send_header("Content-Length", length or "0")
        request.end_headers()
        request.wfile.write(answer)
        return passed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def pass_on(self, method: str, body: bytes) -> Passed:
        raise NotImplementedError

    def _handle(self) -> None:
        self.pass_on(self.command, self._chunks() if self._is_chunked() else self._announced())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_OPTIONS = _handle

    def _is_chunked(self) -> bool:
        return self.headers.get("Transfer-Encoding", "").lower() == "chunked"

    def _announced(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """What passed is in Gate.passed."""

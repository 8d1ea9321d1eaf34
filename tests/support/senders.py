"""HTTP as Segment and its SDKs speak it: a plain client, and senders that retry what Segment retries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}
RETRIED = {408, 423, 429}  # and every 5xx but 501 (senders.md, "Status codes")
RETRY_PAUSE_SECONDS = 0.1
CLASSIC_TIMEOUT_SECONDS = 5


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **JSON}


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), **JSON}


def signature(secret: str, data: bytes) -> dict[str, str]:
    """Segment's X-Signature: HMAC-SHA1 of the body in hex."""
    return {"X-Signature": hmac.new(secret.encode(), data, hashlib.sha1).hexdigest(), **JSON}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict), self.body
        return found


class Client:
    """One keep-alive connection; opened again when the other side closed it."""

    def __init__(self, url: str, timeout: float = 30) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises OSError or HTTPException when there is no answer. A connection that was closed while idle is opened
        again by http.client, since the last answer said so."""
        start = time.monotonic()
        try:
            self._connection.request(method, path, body=body, headers=dict(headers or {}))
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if response.getheader("Connection", "").lower() == "close":
            self._connection.close()
        return Answer(response.status, response.headers, data, time.monotonic() - start)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers)

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True)
class Request:
    """One POST of some events."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    ids: tuple[str, ...]  # message ids of the events in it


@dataclass
class Report:
    """What senders saw: statuses of all tries, tries without an answer, ids that were acknowledged, final refusals."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    slowest: float = 0.0
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    @property
    def retries(self) -> int:
        return self.broken + sum(count for status, count in self.statuses.items() if is_retried(status))

    def add(self, other: Report) -> None:
        self.statuses += other.statuses
        self.broken += other.broken
        self.slowest = max(self.slowest, other.slowest)
        self.acknowledged |= other.acknowledged
        self.refused += other.refused


def is_retried(status: int) -> bool:
    return status in RETRIED or (status >= 500 and status != 501)


class Senders:
    """Threads that share a list of requests and deliver each until it is answered finally."""

    def __init__(self, url: str, requests: Iterable[Request], threads: int = 8, give_up_after: float = 90) -> None:
        self._url = url
        self._give_up_after = give_up_after
        self._requests = iter(list(requests))
        self._lock = threading.Lock()
        self._report = Report()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def start(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def join(self) -> Report:
        """All delivered or given up."""
        for thread in self._threads:
            thread.join()
        return self._report

    @property
    def acknowledged(self) -> int:
        """How many events so far."""
        with self._lock:
            return len(self._report.acknowledged)

    def _next(self) -> Request | None:
        with self._lock:
            return next(self._requests, None)

    def _work(self) -> None:
        client = Client(self._url, timeout=CLASSIC_TIMEOUT_SECONDS)
        while (request := self._next()) is not None:
            seen = deliver(client, request, self._give_up_after)
            with self._lock:
                self._report.add(seen)
        client.close()


def deliver(client: Client, request: Request, give_up_after: float) -> Report:
    """One request, repeated while Segment would repeat it."""
    report = Report()
    deadline = time.monotonic() + give_up_after
    while True:
        try:
            answer = client.post(request.path, request.body, request.headers)
        except (OSError, http.client.HTTPException):
            report.broken += 1
        else:
            report.statuses[answer.status] += 1
            report.slowest = max(report.slowest, answer.seconds)
            if answer.status == 200:
                report.acknowledged.update(request.ids)
                return report
            if not is_retried(answer.status):
                report.refused.append(f"{request.path}: {answer.status} {answer.body[:300]!r}")
                return report
        if time.monotonic() > deadline:
            report.refused.append(f"{request.path}: given up after {give_up_after} s, {dict(report.statuses)}")
            return report
        time.sleep(RETRY_PAUSE_SECONDS)


def send_all(url: str, requests: Iterable[Request], threads: int = 8, during: Callable[[Senders], None] | None = None,
             give_up_after: float = 90) -> Report:
    """Delivers all; `during` runs meanwhile and does something to the stack."""
    senders = Senders(url, requests, threads, give_up_after).start()
    try:
        if during is not None:
            during(senders)
    finally:
        report = senders.join()
    return report

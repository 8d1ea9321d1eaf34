"""Senders as Segment is one: many connections, every route, and each request again until it is answered for good.

Retried with back-off: 408, 423, 429, every 5xx but 501, and a connection that breaks or answers nothing within 5 s
(senders.md, 1.6). Any other status would make Segment discard the events: it is a finding, and so is an answer that is
late, that nobody asked for, or that lacks what its status needs.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from ingest_server import Credentials
from oracle import Event, make_event
from senders import JSON, RETRIED, basic, bearer

ANSWER_SECONDS = 5.0  # then Segment gives up and tries again
LATE_SECONDS = 4.6  # the promise is 4 s from the last byte; the rest is a busy machine's delay
BACKOFF_SECONDS = (0.02, 0.25)  # shorter than Segment's: a server that comes back is loaded at once
PAUSE_SECONDS = 0.05  # at most, between two requests of a connection
FINISH_SECONDS = 90.0  # from the last fault until everything must be acknowledged
SUCCESS = b'{"success":true}'


@dataclass(frozen=True)
class Request:
    head: bytes
    body: bytes
    numbers: tuple[int, ...]


class Broken(Exception):
    """No answer; its text is the kind: refused, reset, closed, silent."""


@dataclass
class Seen:
    """What all senders saw together."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    findings: list[str] = field(default_factory=list)


class Wire:
    """One keep-alive connection by hand, so that bytes nobody asked for are noticed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, request: Request) -> tuple[int, bytes, bytes, float]:
        """Status, head, body, seconds from the last byte; Broken when there is no answer."""
        try:
            return self._exchange(request)
        except TimeoutError:
            raise Broken("silent") from None
        except ConnectionRefusedError:
            raise Broken("refused") from None
        except OSError:
            raise Broken("reset") from None

    def surplus(self) -> bytes:
        """What came between two requests; a connection that was closed meanwhile is forgotten."""
        if self._socket is None:
            return b""
        self._socket.setblocking(False)
        try:
            found = self._socket.recv(4096)
        except BlockingIOError:
            return b""
        except OSError:
            found = b""
        self.close()
        return found

    def _exchange(self, request: Request) -> tuple[int, bytes, bytes, float]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=ANSWER_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            self._socket.sendall(request.head + request.body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered before all was read: the answer may be there
        start = time.monotonic()
        head, rest = self._receive(b"", lambda data: b"\r\n\r\n" in data).split(b"\r\n\r\n", 1)
        lower = head.lower()
        length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = self._receive(rest, lambda data: len(data) >= length)
        if b"connection: close" in lower:
            self.close()
        return int(head.split(b" ", 2)[1]), lower, body, time.monotonic() - start

    def _receive(self, data: bytes, is_enough: Callable[[bytes], bool]) -> bytes:
        assert self._socket is not None
        while not is_enough(data):
            more = self._socket.recv(65536)
            if not more:
                raise Broken("closed")
            data += more
        return data


class Requests:
    """An endless row of requests over consecutive events; the form of each follows from the seed."""

    def __init__(self, run: str, credentials: Credentials, seed: int, largest_batch: int = 12) -> None:
        self._run, self._credentials, self._random, self._largest = run, credentials, Random(seed), largest_batch
        self._next = 0
        self._lock = threading.Lock()

    def take(self) -> Request:
        with self._lock:
            form, count = self._random.randrange(100), 1
            if form >= 60:
                count = self._random.randrange(self._largest + 1)  # an empty batch is one too
            first, self._next = self._next, self._next + count
        return self._make(form, [make_event(self._run, number) for number in range(first, first + count)])

    def _make(self, form: int, events: list[Event]) -> Request:
        c = self._credentials
        joined = b",".join(event.data for event in events)
        numbers = tuple(event.number for event in events)
        if form < 25:
            return _request(f"/webhook/{c.slug}", joined, self._signed(joined), numbers)
        if form < 35:
            return _request(f"/webhook/{c.slug}", joined, bearer(c.token), numbers)
        if form < 40:
            return _request(f"/webhook/{c.slug}/{c.token}", joined, JSON, numbers)
        if form < 60:
            return _request(f"/v1/{events[0].type}", joined, basic(c.write_key), numbers)
        if form < 70 and events:
            return _request(f"/webhook/{c.slug}", b"[" + joined + b"]", self._signed(events[0].data), numbers)
        return _request("/v1/batch", b'{"batch":[' + joined + b'],"sentAt":"2026-11-04T10:00:00.000Z"}', basic(c.write_key), numbers)

    def _signed(self, data: bytes) -> dict[str, str]:
        return {"X-Signature": hmac.new(self._credentials.secret.encode(), data, hashlib.sha1).hexdigest(), **JSON}


def _request(path: str, body: bytes, headers: Mapping[str, str], numbers: tuple[int, ...]) -> Request:
    lines = [f"POST {path} HTTP/1.1", "Host: chaos", *(f"{name}: {value}" for name, value in headers.items()),
             f"Content-Length: {len(body)}"]
    return Request("\r\n".join(lines).encode() + b"\r\n\r\n", body, numbers)


class Senders:
    """Threads, one connection each."""

    def __init__(self, address: tuple[str, int], requests: Requests, connections: int = 40) -> None:
        self._address, self._requests = address, requests
        self._lock = threading.Lock()
        self._is_stopping = threading.Event()
        self._deadline = float("inf")
        self._threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(connections)]
        self.seen = Seen()
        self.acknowledged: set[int] = set()

    @contextmanager
    def running(self) -> Iterator[Senders]:
        """From the first request until each one that was begun is answered for good."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._deadline = time.monotonic() + FINISH_SECONDS
            self._is_stopping.set()
            for thread in self._threads:
                thread.join()

    @property
    def count(self) -> int:
        """Events acknowledged so far."""
        with self._lock:
            return len(self.acknowledged)

    def _work(self, number: int) -> None:
        wire, random = Wire(self._address), Random(number)
        while not self._is_stopping.is_set():
            self._deliver(wire, self._requests.take(), random)
            time.sleep(random.uniform(0, PAUSE_SECONDS))
        wire.close()

    def _deliver(self, wire: Wire, request: Request, random: Random) -> None:
        pause = BACKOFF_SECONDS[0]
        while not self._try(wire, request):
            if time.monotonic() > self._deadline:
                with self._lock:
                    self.seen.findings.append(f"not acknowledged {FINISH_SECONDS:.0f} s after the last fault: {request.head.splitlines()[0]!r}")
                return
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, BACKOFF_SECONDS[1])

    def _try(self, wire: Wire, request: Request) -> bool:
        """True when the request is over."""
        surplus = wire.surplus()
        try:
            status, head, body, seconds = wire.exchange(request)
        except Broken as broken:
            wire.close()
            with self._lock:
                self.seen.broken[str(broken)] += 1
            return False
        findings = [f"bytes that nobody asked for: {surplus[:100]!r}"] if surplus else []
        findings += self._findings_of(request, status, head, body, seconds)
        with self._lock:
            self.seen.statuses[status] += 1
            self.seen.slowest = max(self.seen.slowest, seconds)
            self.seen.findings += findings
            if status == 200:
                self.acknowledged.update(request.numbers)
        return status not in RETRIED and (status < 500 or status == 501)

    @staticmethod
    def _findings_of(request: Request, status: int, head: bytes, body: bytes, seconds: float) -> list[str]:
        found = []
        if status == 200 and body != SUCCESS:
            found.append(f"200 with {body[:100]!r}")
        if status in (429, 503) and b"retry-after:" not in head:
            found.append(f"{status} without Retry-After")
        if status != 200 and status not in RETRIED and (status < 500 or status == 501):
            found.append(f"{status}, which ends the event: {request.head[:60]!r} {body[:200]!r}")
        if seconds > LATE_SECONDS:
            found.append(f"{status} {seconds:.1f} s after the last byte")
        return found

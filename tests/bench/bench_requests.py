"""bench_requests: writes what bench_load sends: whole HTTP requests with the events of bench_events.

A request of one event goes to the webhook, one of many as a /v1/batch call, as Segment and its SDKs send them. With a
signature both go to the webhook, signed as Segment signs: a single body as a whole, of an array its first element.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from bench_events import make_batch, make_event
from ingest_server import Credentials
from senders import basic, bearer

DIFFERENT_EVENTS = 10_000


class Requests:
    """Files of requests in a folder, each made when it is first asked for."""

    def __init__(self, folder: Path, credentials: Credentials) -> None:
        self._folder = folder
        self._credentials = credentials

    def file(self, events: int, is_signed: bool = False, is_close: bool = False) -> Path:
        """`events` a request; about 10,000 different events."""
        path = self._folder / f"requests-{events}{'-signed' * is_signed}{'-close' * is_close}"
        if not path.exists():
            with path.open("wb") as out:
                for turn in range(-(-DIFFERENT_EVENTS // events)):
                    request = self._signed(turn, events, is_close) if is_signed else self._plain(turn, events, is_close)
                    out.write(b"%d\n" % len(request) + request)
        return path

    def events(self) -> Path:
        """The same events one a line, for a bare producer."""
        path = self._folder / "events"
        if not path.exists():
            path.write_bytes(b"".join(make_event(number) + b"\n" for number in range(DIFFERENT_EVENTS)))
        return path

    def _plain(self, turn: int, events: int, is_close: bool) -> bytes:
        c = self._credentials
        if events == 1:
            return _request(f"/webhook/{c.slug}", make_event(turn), bearer(c.token), is_close)
        return _request("/v1/batch", make_batch(turn * events, events), basic(c.write_key), is_close)

    def _signed(self, turn: int, events: int, is_close: bool) -> bytes:
        c = self._credentials
        first = make_event(turn * events)
        more = b"".join(b"," + make_event(turn * events + i) for i in range(1, events))
        made = hmac.new(c.secret.encode(), first, hashlib.sha1).hexdigest()
        body = first if events == 1 else b"[" + first + more + b"]"
        return _request(f"/webhook/{c.slug}", body, {"X-Signature": made, "Content-Type": "application/json"}, is_close)


def _request(path: str, body: bytes, headers: Mapping[str, str], is_close: bool) -> bytes:
    """With the headers that Segment's sender adds (senders.md, 1.2)."""
    lines = [f"POST {path} HTTP/1.1", "Host: events.example", "Accept: */*", "User-Agent: Segment (Actions)",
             *(f"{name}: {value}" for name, value in headers.items()), "Accept-Encoding: gzip, deflate",
             f"Content-Length: {len(body)}", f"Connection: {'close' if is_close else 'keep-alive'}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

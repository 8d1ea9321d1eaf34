"""Connections that send a byte now and then: half of them in a request's head, half in its body."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter
from types import TracebackType

from ingest_server import Credentials
from senders import bearer

PAUSE_SECONDS = 0.25


class Tricklers:
    """One thread feeds all; who is answered or thrown out connects again."""

    def __init__(self, address: tuple[str, int], count: int, credentials: Credentials) -> None:
        head = f"POST /webhook/{credentials.slug} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer(credentials.token)['Authorization']}\r\n"
        body = head + "Content-Length: 100000\r\n\r\n"
        # Of the second kind the head is sent at once; the rest of either comes byte by byte.
        self._kinds = [("", head + "X-Slow: " + "a" * 8000), (body, "{" * 100_000)]
        self._address, self._count = address, count
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.open = 0
        self.bytes = 0  # and heads, which count as one
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Tricklers:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._is_stopping.set()
        self._thread.join()

    def _connect(self, number: int) -> tuple[socket.socket, list[bytes]]:
        """Without waiting: while all threads are taken it may be long until it is accepted."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(self._address)
        first, rest = self._kinds[number % 2]
        pieces = [first.encode()] if first else []
        return connection, [*pieces, *(rest[i : i + 1].encode() for i in range(1000))][::-1]

    def _work(self) -> None:
        feeding: dict[int, tuple[socket.socket, list[bytes]]] = {}
        while not self._is_stopping.is_set():
            for number in range(self._count):
                if number not in feeding:
                    feeding[number] = self._connect(number)
            self.open = len(feeding)
            for number, (connection, rest) in list(feeding.items()):
                if not self._feed(connection, rest):
                    connection.close()
                    del feeding[number]
            time.sleep(PAUSE_SECONDS)
        for connection, _ in feeding.values():
            connection.close()

    def _feed(self, connection: socket.socket, rest: list[bytes]) -> bool:
        """False when it was answered or closed."""
        try:
            if select.select([connection], [], [], 0)[0]:
                answer = connection.recv(4096)
                self.answers[answer.split(b" ", 2)[1].decode() if b" " in answer else "closed"] += 1
                return False
            connection.send(rest[-1])
            rest.pop()
            self.bytes += 1
        except BlockingIOError:
            return True
        except OSError:
            self.answers["reset"] += 1
            return False
        return True

"""A proxy that passes requests on and then, as often as it is told, cuts the connection before the answer is through."""

from __future__ import annotations

import socket
import struct
import threading
from random import Random
from types import TracebackType

from ports import lasting_port

LINGER_NOTHING = struct.pack("ii", 1, 0)  # close sends a reset


class ResetProxy:
    """`share` of the answers are cut: half of them with a reset towards both sides, half by an orderly close towards the sender."""

    def __init__(self, target: tuple[str, int], share: float, seed: int) -> None:
        self.cuts = 0
        self.address = ("127.0.0.1", lasting_port())
        self._target, self._share, self._random = target, share, Random(seed)
        self._lock = threading.Lock()
        self._is_stopping = False
        self._listener = socket.create_server(self.address, backlog=256)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> ResetProxy:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._is_stopping = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def stop_cutting(self) -> None:
        self._share = 0

    def _accept(self) -> None:
        while not self._is_stopping:
            try:
                sender, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                continue
            for socket_ in (sender, server):
                socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass_on, args=(sender, server), daemon=True).start()
            threading.Thread(target=self._pass_back, args=(server, sender), daemon=True).start()

    def _pass_on(self, sender: socket.socket, server: socket.socket) -> None:
        try:
            while data := sender.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _pass_back(self, server: socket.socket, sender: socket.socket) -> None:
        """What comes from ingest is an answer: so the request has been stored when it is cut."""
        try:
            while data := server.recv(65536):
                with self._lock:
                    is_cut, is_reset = self._random.random() < self._share, self._random.random() < 0.5
                    self.cuts += is_cut
                if is_cut:
                    if is_reset:
                        for socket_ in (sender, server):
                            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOTHING)
                    break
                sender.sendall(data)
        except OSError:
            pass
        # shutdown wakes the other thread, which close alone would not
        for socket_ in (sender, server):
            try:
                socket_.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            socket_.close()

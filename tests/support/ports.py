"""Free TCP ports on 127.0.0.1, below the range from which the kernel takes ports for outgoing connections."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

STACK_OFFSETS = (*range(14), 20, 21, 32)  # what a stack may use, counted from its port base (deploy/local/README.md)
FIRST, LAST, STEP = 20000, 30000, 50
LASTING_FIRST, LASTING_LAST = 30000, 32700
_handed_out: set[int] = set()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _find(offsets: Iterable[int]) -> int:
    """Begins at a place of this process's own, so that two runs at once hardly meet."""
    count = (LAST - FIRST) // STEP
    for turn in range(count):
        base = FIRST + (os.getpid() + turn) % count * STEP
        if all(_is_free(base + offset) for offset in offsets):
            return base
    raise AssertionError("no free ports on this machine")


def free_port_base() -> int:
    """A port base of which all ports of a stack are free."""
    return _find(STACK_OFFSETS)


def free_port() -> int:
    """One port, far from those of stacks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lasting_port() -> int:
    """One port for a server that is stopped and started again: no outgoing connection takes it meanwhile, and this
    process is given it once."""
    count = LASTING_LAST - LASTING_FIRST
    for turn in range(count):
        port = LASTING_FIRST + (os.getpid() * 97 + turn) % count
        if port not in _handed_out and _is_free(port):
            _handed_out.add(port)
            return port
    raise AssertionError("no free ports on this machine")

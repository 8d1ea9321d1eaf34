"""Waiting for what happens in other processes: polling against a deadline, never a fixed pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


def wait_until(check: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """The first true value of `check`; fails with `what` and the last value when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what} (last: {value!r})"
        time.sleep(POLL_SECONDS)

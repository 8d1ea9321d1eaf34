"""A memory cgroup of a test's own, version 1 or 2, whichever the machine has: a limit that the kernel enforces.

Needs root (or a delegated cgroup). Where neither version can be used the test fails: a limit that is not enforced
proves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryCgroup:
    folder: Path
    is_v1: bool

    @property
    def wrapper(self) -> list[str]:
        """Goes before a program, so that it starts inside."""
        return ["/bin/sh", "-c", f'echo $$ >"{self.folder}/cgroup.procs" && exec "$@"', "sh"]

    def _count(self, file: str, name: str) -> int:
        lines = (line.split() for line in (self.folder / file).read_text().splitlines())
        return next((int(words[1]) for words in lines if words[0] == name), 0)

    @property
    def oom_kills(self) -> int:
        return self._count("memory.oom_control" if self.is_v1 else "memory.events", "oom_kill")

    @property
    def anonymous_bytes(self) -> int:
        """What cannot be dropped: the page cache of files does not count."""
        return self._count("memory.stat", "rss" if self.is_v1 else "anon")

    @property
    def peak_bytes(self) -> int:
        return int((self.folder / ("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak")).read_text())


@contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[MemoryCgroup]:
    """Removed at the end; its processes must have ended by then."""
    is_v1 = (V1 / "memory.limit_in_bytes").exists()
    if not is_v1:
        (V2 / "cgroup.subtree_control").write_text("+memory")
    folder = (V1 if is_v1 else V2) / f"backstitch-test-{os.getpid()}"
    folder.mkdir()
    try:
        if is_v1:
            (folder / "memory.limit_in_bytes").write_text(str(limit_bytes))
            with suppress(OSError):  # no swap accounting: the limit of memory alone
                (folder / "memory.memsw.limit_in_bytes").write_text(str(limit_bytes))
        else:
            (folder / "memory.max").write_text(str(limit_bytes))
            with suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
        yield MemoryCgroup(folder, is_v1)
    finally:
        folder.rmdir()

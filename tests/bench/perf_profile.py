"""perf_profile: where a process's CPU goes, by thread and part, in microseconds an event.

perf samples all threads with their call chains; each sample counts for one part: the system call it was in, the library,
or what our code was doing. The shares are scaled by the CPU that /proc says the run took, so the parts add up to the
figure of the other sets. In a virtual machine without hardware counters samples inside the kernel fall where interrupts
are allowed again: trust the system call, not the function.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from contextlib import contextmanager
from collections.abc import Iterator
from pathlib import Path

HERTZ = "1499"
LEAST_US = 0.05
THREADS = ((r"^civetweb-worker", "worker"), (r"^rdk:broker", "broker thread"), (r"^rdk:", "librdkafka's main"),
           (r"^civetweb-master", "accept"), (r"", "other threads of ours"))
SYSCALLS = {"futex": "futex (waits, wakes)", "poll": "poll", "ppoll": "poll", "recvfrom": "recv", "recvmsg": "recv", "read": "recv",
            "sendto": "send", "sendmsg": "send", "write": "send", "writev": "send", "fdatasync": "fdatasync", "pwritev": "write to disk",
            "pwrite64": "write to disk"}
OURS = ((r"json|skip_|scan_|close_|container|after_value|split", "ours: JSON"), (r"record|header|message_id", "ours: records"), (r"", "ours: the rest"))
LIBRARIES = ((r"libc\.so|libc-|ld-linux", "libc"), (r"vdso", "vdso (clock)"), (r"civetweb", "civetweb"), (r"rdkafka", "librdkafka"),
             (r"lz4", "lz4"), (r"crypto", "libcrypto"), (r"zlib|libz", "zlib"))
CHAIN = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")


def _first(rules: tuple[tuple[str, str], ...], text: str) -> str:
    return next((part for pattern, part in rules if re.search(pattern, text)), "")


def _part_of(chain: list[tuple[str, str]]) -> str:
    """By the innermost frame's library; in the kernel by the system call that led there."""
    symbol, library = chain[0]
    if "kernel" in library or library.startswith("["):
        if "vdso" in library:
            return "vdso (clock)"
        calls = (re.search(r"__(?:x64|arm64)_sys_(\w+)", name) for name, _ in chain)
        call = next((found[1] for found in calls if found), "")
        return "kernel: " + SYSCALLS.get(call, call or "interrupts, task switches")
    return _first(LIBRARIES, library) or _first(OURS, symbol)


def _count(text: str) -> Counter[tuple[str, str]]:
    parts: Counter[tuple[str, str]] = Counter()
    for sample in text.split("\n\n"):
        lines = sample.splitlines()
        chain = [(found[1], found[2]) for found in map(CHAIN.match, lines) if found]
        if chain:
            parts[_first(THREADS, lines[0].strip()), _part_of(chain)] += 1
    return parts


class Profile:
    def __init__(self) -> None:
        self.samples: Counter[tuple[str, str]] = Counter()

    def report(self, us_per_event: float) -> str:
        """A line a part, largest first within its thread."""
        total = sum(self.samples.values())
        lines = [f"  {us_per_event:.1f} us CPU an event, {total} samples"]
        for thread in dict.fromkeys(thread for (thread, _), _ in self.samples.most_common()):
            own = {part: count * us_per_event / total for (name, part), count in self.samples.most_common() if name == thread}
            lines.append(f"  {thread}: {sum(own.values()):.1f}")
            lines += [f"    {us:6.2f}  {part}" for part, us in own.items() if us >= LEAST_US]
        return "\n".join(lines)


@contextmanager
def profiling(pid: int, folder: Path, seconds: float) -> Iterator[Profile]:
    """Samples the process for so long; the profile is filled at the end."""
    data, profile = folder / "perf.data", Profile()
    command = ["perf", "record", "-q", "-g", "-F", HERTZ, "-o", str(data), "-p", str(pid), "--", "sleep", str(seconds)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as perf:
        yield profile
        _, errors = perf.communicate()
    script = subprocess.run(["perf", "script", "-i", str(data), "-F", "comm,ip,sym,dso"], capture_output=True, text=True, check=False)
    profile.samples = _count(script.stdout)
    if not profile.samples:
        raise RuntimeError(f"perf saw nothing (package linux-perf; kernel.perf_event_paranoid): {errors}{script.stderr[:500]}")

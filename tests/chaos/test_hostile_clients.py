"""Clients that take what they can get: memory, connections, time. Good ones go on, nothing ends but what must."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench_programs import build_c
from conftest import Bed, open_bed
from ingest_server import Credentials
from kafka_cluster import KafkaCluster
from memory_cgroup import memory_cgroup
from segment import Broken, Requests, Wire
from senders import JSON, basic, bearer
from trickle import Tricklers
from waiting import wait_until

MIB = 1 << 20
LIMIT = 256 * MIB
CONNECTIONS = 512
FLOOD_SECONDS = 12
BUSY_CLIENTS = 64
STOP_SECONDS = 5.0
FAST_THREADS = 32
TRICKLING = 96
GOOD_SECONDS, GOOD_SENDERS = 10.0, 8


@pytest.fixture(scope="session")
def bench_load() -> Path:
    return build_c("bench_load")


class Load:
    """bench_load in the background; its result when it has ended."""

    def __init__(self, program: Path, port: int, requests: Path, connections: int, seconds: float) -> None:
        self._process = subprocess.Popen([program, f"127.0.0.1:{port}", requests, "--connections", str(connections),
                                          "--seconds", str(seconds), "--timeout", "20"], stdout=subprocess.PIPE)

    def result(self) -> dict[str, Any]:
        out, _ = self._process.communicate(timeout=90)
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def write_requests(path: Path, requests: list[tuple[str, bytes, dict[str, str]]]) -> Path:
    with path.open("wb") as out:
        for target, body, headers in requests:
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            whole = f"POST {target} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            out.write(b"%d\n" % len(whole) + whole)
    return path


def hostile_bodies(c: Credentials) -> list[tuple[str, bytes, dict[str, str]]]:
    """Large, many-eventful, deep, compressed: each as large as somebody with a credential may send."""
    hook, batch, token, key = f"/webhook/{c.slug}", "/v1/batch", bearer(c.token), basic(c.write_key)
    tiny = b'{"type":"track","event":"e","userId":"u"}'
    big = b'{"type":"track","event":"e","properties":{"x":"' + b"y" * (900 * 1024) + b'"}}'
    context = b'"context":{"c":"' + b"z" * 32_000 + b'"}'
    zipped = gzip.compress(b"[" + b",".join([tiny] * 400_000) + b"]", 9)
    return [
        (hook, b"[" + b",".join([tiny] * 100_000) + b"]", token),
        (hook, b"[" + b",".join([big] * 20) + b"]", token),
        (hook, b"[" * (4 * MIB), token),
        (hook, b"x" * (19 * MIB), token),
        (hook, zipped, {**token, "Content-Encoding": "gzip"}),
        (batch, b'{"batch":[' + b",".join([tiny] * 20_000) + b"]," + context + b"}", key),
        (batch, b'{"batch":[' + b",".join([tiny] * 5_000) + b"]," + context + b"}", JSON),
        (hook, json.dumps({"type": "track", "properties": {f"k{i}": i for i in range(60_000)}}).encode(), token),
        (hook, b'{"type":"track","properties":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}", token),
        (hook, big, JSON),
    ]


@contextmanager
def limited_bed(request: pytest.FixtureRequest, folder: Path, kafka: KafkaCluster, **settings: str) -> Iterator[tuple[Bed, Any]]:
    with memory_cgroup(LIMIT) as group, open_bed(request, folder, kafka.brokers, "--dev", **settings) as bed:
        bed.ingest.wrapper = group.wrapper
        yield bed, group


def test_hostile_bodies_in_256_mib(request: pytest.FixtureRequest, tmp_path: Path, kafka: KafkaCluster, bench_load: Path) -> None:
    """512 connections of them against a container's limit: refused in part, never killed, and well afterwards."""
    with limited_bed(request, tmp_path, kafka) as (bed, group):
        file = write_requests(tmp_path / "hostile", hostile_bodies(bed.credentials))
        pid = bed.ingest.start().pid
        load = Load(bench_load, bed.ingest.port, file, CONNECTIONS, FLOOD_SECONDS)
        try:
            result = load.result()
        finally:
            load.stop()
        bed.say(f"answers {result['statuses']}, broken {result['broken']}, silent {result['timed_out']}; peak "
                f"{group.peak_bytes / MIB:.0f} MiB with page cache, anonymous now {group.anonymous_bytes / MIB:.0f} MiB, "
                f"oom kills {group.oom_kills}")
        assert group.oom_kills == 0
        assert bed.ingest.runs and bed.ingest.pid == pid
        assert result["statuses"].keys() <= {"200", "400", "401", "413", "429", "503"}
        assert result["statuses"].get("503", 0) > 0, "the limit was not felt"
        assert result["statuses"].get("200", 0) + result["statuses"].get("400", 0) > 0, "nothing got through"
        wait_until(lambda: bed.ingest.metric("ingest_inflight_bytes") == 0, "all bytes are given back")
        with bed.make_senders(connections=8).running():
            bed.wait_more(100, 10)
        assert bed.senders.seen.findings == []


def test_good_requests_go_on_beside_tricklers(bed: Bed) -> None:
    """96 connections that send a byte now and then, heads and bodies, against 32 threads."""
    bed.ingest.start(INGEST_THREADS=str(FAST_THREADS))
    good = Requests(bed.run, bed.credentials, bed.seed, 3)
    answers: list[int] = []
    broken: list[str] = []
    lock = threading.Lock()

    def send_for_a_while() -> None:
        wire, end = Wire(("127.0.0.1", bed.ingest.port)), time.monotonic() + GOOD_SECONDS
        while time.monotonic() < end:
            try:
                status = wire.exchange(good.take())[0]
                with lock:
                    answers.append(status)
            except Broken as problem:
                wire.close()
                with lock:
                    broken.append(str(problem))
        wire.close()

    with Tricklers(("127.0.0.1", bed.ingest.port), TRICKLING, bed.credentials) as tricklers:
        wait_until(lambda: tricklers.open == TRICKLING, "all tricklers are connected")
        threads = [threading.Thread(target=send_for_a_while) for _ in range(GOOD_SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bed.say(f"good: {len(answers)} answers, {answers.count(200)} of them 200, {len(broken)} without an answer; "
                f"tricklers: {tricklers.answers}, {tricklers.bytes} bytes")
        assert tricklers.bytes > TRICKLING * 5, "nothing trickled"
    assert answers.count(200) > 0.9 * (len(answers) + len(broken))
    # Each good request waits behind tricklers that connect again at once; a thread is theirs for a second at most.
    assert answers.count(200) >= 2 * GOOD_SENDERS


def test_stop_with_busy_clients_takes_seconds(bed: Bed, bench_load: Path, tmp_path: Path) -> None:
    """64 clients whose next request follows their last answer at once, and who come again when they are refused."""
    event = b'{"type":"track","event":"e","userId":"u","messageId":"m"}'
    file = write_requests(tmp_path / "busy", [(f"/webhook/{bed.credentials.slug}", event, bearer(bed.credentials.token))])
    for turn in range(3):
        bed.ingest.start()
        load = Load(bench_load, bed.ingest.port, file, BUSY_CLIENTS, 20)
        try:
            wait_until(lambda: bed.ingest.metric("ingest_events_total") > 2_000, "the clients are busy")
            start = time.monotonic()
            code = bed.ingest.stop()
            took = time.monotonic() - start
        finally:
            load.stop()
        bed.say(f"stop {turn + 1}: exit code {code} after {took:.2f} s")
        assert code == 0
        assert took < STOP_SECONDS

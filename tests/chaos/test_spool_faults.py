"""With a spool: acknowledged through any outage of Kafka, and never lost, whatever happens to the process or to its disk."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import ROOT, Bed, build_shim, open_bed
from kafka_cluster import Broker, KafkaCluster
from test_kafka_faults import freeze, kill, mend, stop
from waiting import wait_until

MIB = 1 << 20
KILLS, KILLS_LONG = 12, 500
STOPS, STOPS_LONG = 4, 50
TMPFS = 12 * MIB
QUOTA = 8 * MIB
KILLED = -signal.SIGKILL
CRASHES = ("spool_written", "spool_synced", "spool_ending")


@contextmanager
def spool_bed(request: pytest.FixtureRequest, folder: Path, kafka: KafkaCluster, spool: Path | None = None,
              **settings: str) -> Iterator[Bed]:
    """An ingest with a spool. Kafka is mended at the end whatever happened."""
    spool = spool or folder / "spool"
    spool.mkdir(exist_ok=True)
    with open_bed(request, folder, kafka.brokers, "--dev", INGEST_SPOOL_DIR=str(spool), **settings) as bed:
        bed.spool = spool
        try:
            yield bed
        finally:
            mend(bed, kafka.nodes[0])


def wait_spooled(bed: Bed, count: int = 1) -> None:
    """Until so many more events went to the spool."""
    before = bed.spooled
    wait_until(lambda: bed.spooled >= before + count, f"{count} events in the spool", 30)


@pytest.fixture
def bed(request: pytest.FixtureRequest, tmp_path: Path, kafka: KafkaCluster) -> Iterator[Bed]:
    with spool_bed(request, tmp_path, kafka) as opened:
        yield opened


@pytest.mark.parametrize("fault", [stop, kill, freeze], ids=["stopped", "killed", "frozen"])
def test_kafka_away_is_not_noticed(fault: Callable[..., None], bed: Bed, kafka: KafkaCluster, is_long: bool) -> None:
    """Nobody is refused, and all of it is in Kafka afterwards."""
    pid = bed.ingest.start().pid
    with bed.make_senders().running():
        for _ in range(5 if is_long else 1):
            bed.wait_more(200)
            fault(bed, kafka.nodes[0])
            try:
                wait_spooled(bed, 500)
            finally:
                mend(bed, kafka.nodes[0])
            bed.wait_more(200)
    bed.verify()
    assert bed.ingest.pid == pid
    assert bed.senders.seen.statuses.keys() == {200}


def test_killed_at_random_while_kafka_comes_and_goes(bed: Bed, kafka: KafkaCluster, is_long: bool) -> None:
    broker = kafka.nodes[0]
    kills, spooled = KILLS_LONG if is_long else KILLS, 0
    with bed.make_senders().running():
        for turn in range(kills):
            if turn % 4 == 0:
                (kill if broker.runs else mend)(bed, broker)
            bed.ingest.start()
            bed.wait_more(1)
            pause = bed.random.uniform(0, 0.4)
            time.sleep(pause)
            spooled += bed.spooled > 0
            bed.say(f"kill {turn + 1}, {pause:.3f} s after the first acknowledgement, {bed.spooled} in the spool by this process")
            bed.ingest.kill()
        if not broker.runs:
            mend(bed, broker)
        bed.ingest.start()
        bed.wait_more(100)
    bed.verify()
    seen = bed.senders.seen
    assert spooled > kills / 4, "hardly anything was spooled"
    assert seen.broken["reset"] + seen.broken["closed"] >= kills, "the kills hit no request"
    assert seen.statuses.keys() <= {200, 503}


def test_stopped_while_kafka_is_away(bed: Bed, kafka: KafkaCluster, is_long: bool) -> None:
    """SIGTERM: what is under way goes to the spool, and nothing waits for Kafka."""
    codes, times = [], []
    with bed.make_senders().running():
        bed.ingest.start()
        bed.wait_more(100)
        kill(bed, kafka.nodes[0])
        for turn in range(STOPS_LONG if is_long else STOPS):
            if not bed.ingest.runs:
                bed.ingest.start()
            wait_spooled(bed)
            start = time.monotonic()
            codes.append(bed.ingest.stop())
            times.append(time.monotonic() - start)
            bed.say(f"stop {turn + 1}: exit code {codes[-1]} after {times[-1]:.2f} s")
        mend(bed, kafka.nodes[0])
        bed.ingest.start()
        bed.wait_more(100)
    bed.verify()
    assert set(codes) <= {0, 3}  # 3: stopped with work left, which the spool keeps
    assert max(times) < 10


def take_away(bed: Bed, broker: Broker, is_long: bool) -> None:
    """Where it only matters that Kafka does not acknowledge: a frozen one is back at once, a killed one after its recovery."""
    (kill if is_long else freeze)(bed, broker)


@contextmanager
def tmpfs(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("quota", [64 * MIB, QUOTA], ids=["the disk is full", "the quota is full"])
def test_full(quota: int, request: pytest.FixtureRequest, tmp_path: Path, kafka: KafkaCluster, is_long: bool) -> None:
    """Refused while there is no room, as if nothing had been when there is again; what was acknowledged stays."""
    with tmpfs(tmp_path / "small", TMPFS) as small, \
            spool_bed(request, tmp_path, kafka, small, INGEST_SPOOL_MAX_BYTES=f"{quota // MIB}MiB") as bed:
        most = 0

        def is_refused() -> bool:
            nonlocal most
            most = max(most, sum(file.stat().st_blocks * 512 for file in small.iterdir() if file.exists()))
            return bed.senders.seen.statuses[503] > 100

        pid = bed.ingest.start().pid
        with bed.make_senders().running():
            bed.wait_more(100)
            take_away(bed, kafka.nodes[0], is_long)
            wait_spooled(bed, 100)
            wait_until(is_refused, "the spool is full", 60)
            bed.say(f"full with {most / MIB:.1f} MiB on disk")
            mend(bed, kafka.nodes[0])
            bed.wait_more(1_000)
            wait_until(bed.is_spool_empty, "the spool is drained", 60)
            refused = bed.senders.seen.statuses[503]
            bed.wait_more(1_000)
            assert bed.senders.seen.statuses[503] == refused, "still refusing"
        bed.verify()
        assert bed.ingest.pid == pid and bed.ingest.runs
        assert most <= min(quota, TMPFS)
        assert most > min(quota, TMPFS) / 2, "it was not full"
        assert ("spool_disk_full" in bed.ingest.text()) == (quota > TMPFS)


def shim(bed: Bed, words: str) -> dict[str, str]:
    return {"LD_PRELOAD": str(build_shim()), "FAULT_IO": f"dir={bed.spool} {words}"}


@pytest.mark.parametrize("words", ["eio_sync=5", "eio_write=5"])
def test_a_disk_that_fails_ends_it(words: str, bed: Bed, kafka: KafkaCluster) -> None:
    """It stops acknowledging and exits; the next one recovers what was acknowledged."""
    with bed.make_senders().running():
        bed.ingest.start(**shim(bed, words))
        kill(bed, kafka.nodes[0])
        code = bed.ingest.process.wait(30)
        bed.say(f"exit code {code}")
        assert code not in (0, KILLED)
        bed.ingest.start()
        bed.wait_more(200)
        mend(bed, kafka.nodes[0])
        bed.wait_more(100)
    bed.verify()


def test_short_writes(bed: Bed, kafka: KafkaCluster, is_long: bool) -> None:
    with bed.make_senders().running():
        bed.ingest.start(**shim(bed, "short"))
        take_away(bed, kafka.nodes[0], is_long)
        wait_spooled(bed, 300)
        bed.ingest.kill()
        bed.ingest.start()
        mend(bed, kafka.nodes[0])
        bed.wait_more(100)
    bed.verify()


def test_power_cuts(bed: Bed, kafka: KafkaCluster, is_long: bool) -> None:
    """Killed, and all that was not synced is gone: bytes, and files whose folder was not synced."""
    with bed.make_senders().running():
        bed.ingest.start(**shim(bed, "lose"))
        bed.wait_more(10)
        take_away(bed, kafka.nodes[0], is_long)
        for turn in range(200 if is_long else 6):
            wait_spooled(bed)
            pause = bed.random.uniform(0, 0.3)
            time.sleep(pause)
            bed.say(f"power cut {turn + 1}, after {pause:.3f} s")
            bed.ingest.kill()
            bed.ingest.start(**shim(bed, "lose"))
        mend(bed, kafka.nodes[0])
        bed.wait_more(100)
    bed.verify()
    assert bed.senders.seen.broken["reset"] + bed.senders.seen.broken["closed"] > 0


@pytest.mark.parametrize("place", CRASHES)
def test_killed_at_its_worst_instants(place: str, request: pytest.FixtureRequest, tmp_path: Path, kafka: KafkaCluster, is_long: bool) -> None:
    """After the write, after the sync, before the answer. With unsynced bytes lost, too. The points are in test builds only."""
    with spool_bed(request, tmp_path, kafka) as bed:
        bed.ingest.binary = ROOT / "build" / "dev" / "ingest" / "backstitch-ingest"
        with bed.make_senders().running():
            for turn in (1, 7, 40) if is_long else (7,):
                bed.ingest.start(CRASH_AT=f"{place}:{turn}", **shim(bed, "lose"))
                take_away(bed, kafka.nodes[0], is_long)
                code = bed.ingest.process.wait(30)
                bed.say(f"at its time {turn}: exit code {code}")
                assert code == KILLED, "it did not come to that place"
                bed.ingest.start(**shim(bed, "lose"))
                wait_spooled(bed, 50)
                mend(bed, kafka.nodes[0])
                bed.wait_more(100)
                bed.ingest.kill()
            bed.ingest.start()
            bed.wait_more(100)
        bed.verify()

"""Kafka stopped, killed and frozen under load, in an order that the seed decides."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Bed, open_bed
from kafka_cluster import Broker, KafkaCluster
from segment import Requests, Wire
from waiting import wait_until

ACK_SECONDS = 1.5  # INGEST_KAFKA_ACK_TIMEOUT
FREEZE_SECONDS = (1.0, 3.0)  # beyond the time that it takes to be felt
PROBES = 20


def stop(bed: Bed, broker: Broker) -> None:
    bed.say(f"broker {broker.node} is stopped")
    broker.end(signal.SIGTERM)


def kill(bed: Bed, broker: Broker) -> None:
    bed.say(f"broker {broker.node} is killed")
    broker.end(signal.SIGKILL)


def freeze(bed: Bed, broker: Broker) -> None:
    bed.say(f"broker {broker.node} is frozen")
    broker.freeze()


def mend(bed: Bed, broker: Broker) -> None:
    if broker.runs:
        broker.thaw()
    else:
        broker.start()
    broker.wait_open()
    bed.say(f"broker {broker.node} is there again")


def feel(bed: Bed) -> float:
    """Waits until a sender was refused; how long that took."""
    refused, start = bed.senders.seen.statuses[503], time.monotonic()
    wait_until(lambda: bed.senders.seen.statuses[503] > refused, "the fault is felt", 20)
    return time.monotonic() - start


def refuse_at_once(bed: Bed) -> None:
    """While Kafka is known to be away nobody waits for it, but for the one request a second that tries."""
    wait_until(lambda: bed.ingest.metric("ingest_circuit_open") == 1, "the circuit is open", 20)
    wire, seconds = Wire(("127.0.0.1", bed.ingest.port)), []
    requests = Requests(bed.run, bed.credentials, bed.seed + 1, 1)
    for _ in range(PROBES):
        status, _, _, took = wire.exchange(requests.take())
        seconds += [took] if status == 503 else []
    wire.close()
    bed.say(f"{len(seconds)} probes refused, median {sorted(seconds)[len(seconds) // 2] * 1000:.1f} ms")
    assert sum(took < ACK_SECONDS / 5 for took in seconds) >= 0.8 * PROBES


def test_one_broker_away_again_and_again(bed: Bed, kafka: KafkaCluster, is_long: bool) -> None:
    """Without a spool: 503 in time, never a loss, and well again by itself."""
    faults = [stop, kill, freeze] * (6 if is_long else 1)
    bed.random.shuffle(faults)
    pid = bed.ingest.start().pid
    with bed.make_senders().running():
        for fault in faults:
            bed.wait_more(200)
            fault(bed, kafka.nodes[0])
            try:
                feel(bed)
                refuse_at_once(bed)
                time.sleep(bed.random.uniform(*FREEZE_SECONDS))
            finally:
                mend(bed, kafka.nodes[0])
            bed.wait_more(200)
    bed.verify()
    assert bed.ingest.pid == pid and bed.ingest.runs
    assert bed.ingest.metric("ingest_kafka_errors_total") > 0
    assert bed.senders.seen.statuses.keys() <= {200, 503}


@pytest.fixture
def three(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three brokers: three copies of each partition, of which two must have an event."""
    with KafkaCluster(tmp_path / "kafka", 3) as cluster:
        yield cluster


def leaders(bed: Bed) -> dict[int, int]:
    """Partitions by leader, and how small the smallest set of replicas in sync is, as key 0."""
    partitions = [partition for name, topic in bed.log.metadata().items() if name.startswith(bed.run + ".")
                  for partition in topic.partitions.values()]
    found = {node: 0 for node in (1, 2, 3)}
    for partition in partitions:
        if partition.leader in found:
            found[partition.leader] += 1
    return {**found, 0: min(len(partition.isrs) for partition in partitions)}


def test_three_brokers(request: pytest.FixtureRequest, tmp_path: Path, three: KafkaCluster, is_long: bool) -> None:
    """One lost: its partitions get other leaders and nothing is refused for long. Two lost: nothing can be acknowledged."""
    with open_bed(request, tmp_path, three.brokers) as bed:
        bed.ingest.start()
        with bed.make_senders().running():
            for turn in range(4 if is_long else 1):
                bed.wait_more(200)
                # One that came back leads nothing for minutes: its loss would not be felt.
                leading = leaders(bed)
                first = bed.random.choice([node for node in three.nodes if leading[node.node] > 0])
                second = bed.random.choice([node for node in three.nodes if node is not first])
                bed.random.choice((stop, kill))(bed, first)
                wait_until(lambda: leaders(bed)[first.node] == 0, "its partitions have other leaders", 30)
                wait_until(lambda: leaders(bed)[0] == 2, "two replicas are in sync", 30)
                bed.wait_more(500)
                freeze(bed, second)
                feel(bed)
                time.sleep(bed.random.uniform(3, 6))
                mend(bed, second)
                mend(bed, first)
                wait_until(lambda: leaders(bed)[0] == 3, "all replicas are in sync again", 60)
                bed.wait_more(500)
        bed.verify()
        assert bed.senders.seen.statuses.keys() <= {200, 503}

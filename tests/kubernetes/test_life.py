"""A deployment's life: applied, rolled, scaled, its pods and nodes lost, under load. Nothing is lost, nothing is there twice, and
no sender is told anything that Segment would not retry."""

from __future__ import annotations

import random
import time

from cluster import Object, name_of, node_of
from database import Database
from deployment import Deployment
from kafka_log import KafkaLog
from load import Load, check_all
from stack import Source
from waiting import wait_until

EVENTS = 300  # that are acknowledged before something happens, and after


def wait_events(load: Load, more: int = EVENTS, seconds: float = 60) -> None:
    target = load.acknowledged + more
    wait_until(lambda: load.acknowledged >= target, f"{more} more events acknowledged", seconds)


def test_applied_from_nothing(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    namespace = running.namespace
    assert {node_of(pod) for pod in namespace.ready("ingest")} == {"node1", "node2"}, "pods are not spread over the nodes"
    for tier in ("ingest", "loader"):
        for pod in namespace.ready(tier):
            times = {c["type"]: c["lastTransitionTime"] for c in pod["status"]["conditions"]}
            print(f"{name_of(pod)}: scheduled {times['PodScheduled']}, ready {times['Ready']}")
    with Load(running.url, source) as load:
        wait_events(load)
    check_all(load, log, database)
    assert namespace.restarts() == 0


def test_rolled_to_another_image_and_back(running: Deployment, source: Source, log: KafkaLog, database: Database, other_tag: str) -> None:
    tag = running.tag
    running.namespace.scale(running.ingest, 4)
    running.namespace.wait_ready("ingest", 4)
    running.replicas["backstitch-ingest"] = 4
    with Load(running.url, source) as load:
        wait_events(load)
        for wanted in (other_tag, tag):
            start = time.monotonic()
            running.roll_to(wanted)
            images = {pod["spec"]["containers"][0]["image"] for tier in ("ingest", "loader") for pod in running.namespace.ready(tier)}
            assert all(image.endswith(f":{wanted}") for image in images), images
            print(f"four ingest pods and two loaders rolled in {time.monotonic() - start:.1f} s")
        wait_events(load)
    running.replicas["backstitch-ingest"] = 2
    check_all(load, log, database)


def test_scaled_up_and_down(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    namespace = running.namespace
    with Load(running.url, source) as load:
        for ingest, loaders in ((1, 1), (3, 3), (1, 1), (2, 2)):
            namespace.scale(running.ingest, ingest)
            namespace.scale("deployment/backstitch-loader", loaders)
            namespace.wait_ready("ingest", ingest)
            namespace.wait_ready("loader", loaders)
            wait_events(load)
    check_all(load, log, database)


def test_pods_deleted_at_random(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    choice = random.Random(seed)
    namespace = running.namespace
    with Load(running.url, source) as load:
        for _ in range(4):
            tier = choice.choice(("ingest", "loader"))
            victim = name_of(choice.choice(namespace.ready(tier)))
            force = choice.choice(((), ("--grace-period=0", "--force")))
            namespace.kubectl("delete", "pod", victim, "--wait=false", *force)
            wait_until(lambda victim=victim, tier=tier: victim not in map(name_of, namespace.pods(tier)), f"{victim} is deleted")
            namespace.wait_ready(tier, 2)
            wait_events(load, 100)
    check_all(load, log, database)


def test_node_drained(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    cluster = running.cluster
    with Load(running.url, source) as load:
        wait_events(load)
        try:
            start = time.monotonic()
            cluster.kubectl("drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=180s", seconds=200)
            print(f"node drained in {time.monotonic() - start:.1f} s")
            assert {node_of(pod) for tier in ("ingest", "loader") for pod in running.namespace.pods(tier)} <= {"node1", ""}
            wait_events(load)
        finally:
            cluster.kubectl("uncordon", "node2")
    check_all(load, log, database)
    running.namespace.kubectl("rollout", "restart", running.ingest, "deployment/backstitch-loader")
    running.namespace.rollout(running.ingest, "deployment/backstitch-loader")


Partitions = set[tuple[str, int]]


def busy_partitions(database: Database, loaders: list[Object]) -> tuple[Partitions, Partitions]:
    """What moved in the last seconds: by these loaders, and altogether."""
    recent = "SELECT topic, kafka_partition, owner FROM backstitch.load_offset WHERE updated_at > now() - interval '5 s'"
    owners = {(topic, partition): owner for topic, partition, owner in database.query(recent)}
    return {at for at, owner in owners.items() if any(name_of(loader) in owner for loader in loaders)}, set(owners)


def wait_taken_over(database: Database, partitions: Partitions, lost_at: object) -> None:
    """Until each of them moves again: the victim's session must end first (session.timeout.ms, 10 s)."""
    def moved() -> bool:
        since = database.query("SELECT topic, kafka_partition FROM backstitch.load_offset WHERE updated_at > %s + interval '1 s'", (lost_at,))
        return partitions <= set(since)
    wait_until(moved, f"the {len(partitions)} partitions move again", 60)


def test_node_killed_and_back(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    cluster, namespace = running.cluster, running.namespace
    assert any(node_of(pod) == "node2" for pod in namespace.ready("ingest")), "nothing runs on the node that is killed"
    with Load(running.url, source) as load:
        wait_events(load)
        lost, _ = busy_partitions(database, [pod for pod in namespace.ready("loader") if node_of(pod) == "node2"])
        assert lost, "no loader works on the node that is killed"
        lost_at = database.value("SELECT now()")
        start = time.monotonic()
        cluster.kill_node(2)
        try:
            wait_taken_over(database, lost, lost_at)
            print(f"{len(lost)} partitions of a lost node move again after {time.monotonic() - start:.1f} s")
            wait_until(lambda: [node_of(pod) for pod in namespace.ready("ingest")].count("node1") == 2, "both pods of ingest on node1", 120)
            print(f"ingest whole again {time.monotonic() - start:.1f} s after its node was lost")
            wait_until(lambda: [node_of(pod) for pod in namespace.ready("loader")].count("node1") == 2, "both loaders on node1", 120)
            wait_events(load)
        finally:
            cluster.start_node(2)
    check_all(load, log, database)


def test_killed_loader_is_taken_over(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    with Load(running.url, source) as load:
        wait_events(load)
        victim = running.namespace.ready("loader")[0]
        own, all_busy = busy_partitions(database, [victim])
        assert own and own != all_busy, f"{name_of(victim)} has none or all of {all_busy}"
        killed_at = database.value("SELECT now()")
        start = time.monotonic()
        running.cluster.kill_container(victim)
        wait_taken_over(database, own, killed_at)
        print(f"{len(own)} partitions of a killed loader move again after {time.monotonic() - start:.1f} s")
    check_all(load, log, database)

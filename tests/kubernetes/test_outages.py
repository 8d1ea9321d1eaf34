"""What a deployment depends on goes away, changes or freezes. No pod is restarted for it, nothing is lost, and a pod that must
stop meanwhile stops in its time."""

from __future__ import annotations

import http.client
import random
import select
import threading
import time
from collections import Counter

import pytest

from cluster import Namespace, Object, address_of, has_ended, name_of
from database import Database
from deployment import Deployment
from kafka_log import KafkaLog
from load import Load, check_all
from senders import bearer
from servers import Server
from stack import Source
from test_life import wait_events
from waiting import wait_until

OUTAGE_SECONDS = 30
GRACE_SECONDS = 60  # terminationGracePeriodSeconds


def pass_time(seconds: float) -> None:
    """The length of an outage is what is tested: this is no waiting for something."""
    threading.Event().wait(seconds)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
@pytest.mark.parametrize("away", ["kafka", "postgres"])
def test_away_for_half_a_minute(running: Deployment, source: Source, log: KafkaLog, database: Database, away: str, how: str) -> None:
    server: Server = getattr(running, away)
    pods = {name_of(pod) for tier in ("ingest", "loader") for pod in running.namespace.ready(tier)}
    restarts = running.namespace.restarts()
    with Load(running.url, source) as load:
        wait_events(load)
        if how == "stopped":
            server.stop()
            pass_time(OUTAGE_SECONDS)
            server.start()
        else:
            server.freeze()
            try:
                pass_time(OUTAGE_SECONDS)
            finally:
                server.thaw()
        wait_events(load)
    check_all(load, log, database)
    refused = sum(n for status, n in load.report.statuses.items() if status != 200)
    assert (refused > 0) == (away == "kafka"), f"{refused} requests refused: the outage was not felt, or reached senders"
    assert {name_of(pod) for tier in ("ingest", "loader") for pod in running.namespace.ready(tier)} == pods, "a pod was not ready or replaced"
    assert running.namespace.restarts() == restarts


@pytest.mark.parametrize("how", ["stopped", "frozen"])
@pytest.mark.parametrize(("away", "tier"), [("kafka", "ingest"), ("kafka", "loader"), ("postgres", "loader")])
def test_stops_in_its_time_meanwhile(running: Deployment, source: Source, log: KafkaLog, database: Database, away: str, tier: str, how: str) -> None:
    """A pod is deleted while what it talks to is away: it ends by itself, before the kubelet's patience does."""
    server: Server = getattr(running, away)
    namespace = running.namespace
    with Load(running.url, source, events_a_second=50) as load:
        wait_events(load, 50)
        if how == "stopped":
            server.stop()
        else:
            server.freeze()
        try:
            victim = namespace.ready(tier)[0]
            start = time.monotonic()
            ended = watch_end(namespace, victim)
            took = time.monotonic() - start
            print(f"{tier} with {away} {how}: stopped in {took:.1f} s, exit code {ended['exitCode']}")
            assert ended["exitCode"] in (0, 3), ended
            assert took < GRACE_SECONDS - 15, "the kubelet would have had to kill it soon"
        finally:
            if how == "stopped":
                server.start()
            else:
                server.thaw()
        wait_events(load, 50)
    check_all(load, log, database)


def watch_end(namespace: Namespace, pod: Object) -> Object:
    """Deletes a pod, and how its container ended. A finalizer keeps the pod's object until that was read."""
    name, before = name_of(pod), has_ended(pod)  # an earlier life of the container, which was killed by another test
    namespace.kubectl("patch", "pod", name, "--type=merge", "-p", '{"metadata":{"finalizers":["backstitch.test/watched"]}}')

    def ended() -> Object | None:
        found = has_ended(namespace.get("pod", name))
        return found if found != before else None

    try:
        namespace.kubectl("delete", "pod", name, "--wait=false")
        return wait_until(ended, f"{name} ends", GRACE_SECONDS + 30)
    finally:
        namespace.kubectl("patch", "pod", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False)


def test_flood_at_the_memory_limit(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    """Large bodies from many connections, slow and fast, against one pod: 503s at worst, no kill for its memory, and the
    events of others are acknowledged afterwards."""
    namespace = running.namespace
    namespace.scale(running.ingest, 1)
    pod = namespace.wait_ready("ingest", 1)[0]
    limit = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
    restarts = namespace.restarts()
    seen: Counter[str] = Counter()
    end = time.monotonic() + 20
    peak = 0.0
    floods = [threading.Thread(target=flood, args=(address_of(pod), source, end, seen), daemon=True) for _ in range(60)]
    for thread in floods:
        thread.start()
    while time.monotonic() < end:
        peak = max(peak, resident_bytes(address_of(pod)))
        time.sleep(0.5)
    for thread in floods:
        thread.join(30)
    print(f"flood: {dict(seen)}; most memory {peak / 2**20:.0f} MiB of {limit}")
    assert seen["200"] + seen["503"] > 0 and not {"400", "401", "404", "413"} & seen.keys(), seen
    assert name_of(namespace.ready("ingest")[0]) == name_of(pod) and namespace.restarts() == restarts, has_ended(namespace.pods("ingest")[0])
    with Load(running.url, source) as load:
        wait_events(load)
    report = load.end()
    assert report.refused == []


def flood(address: str, source: Source, end: float, seen: Counter[str]) -> None:
    """Half of an 8 MiB body with a good token, a pause, and then, one time in ten, the rest; else the sender leaves. Whatever is
    answered meanwhile is counted."""
    event = b'{"type":"track","event":"Flood","messageId":"%s","userId":"u","properties":{"text":"' + b"x" * 200_000 + b'"}},'
    while time.monotonic() < end:
        body = b"[" + b"".join(event % (b"flood-%d" % random.randrange(1 << 60)) for _ in range(40))[:-1] + b"]"
        connection = http.client.HTTPConnection(address, 8080, timeout=15)
        try:
            connection.putrequest("POST", f"/webhook/{source.slug}")
            for name, value in {**bearer(source.token), "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders()
            half = len(body) // 2
            connection.send(body[:half])
            answered, _, _ = select.select([connection.sock], [], [], random.choice((0.5, 1, 2)))
            if not answered and random.random() < 0.9:
                seen["left"] += 1
                continue
            if not answered:
                connection.send(body[half:])
            seen[str(connection.getresponse().status)] += 1
        except (OSError, http.client.HTTPException) as problem:
            seen[type(problem).__name__] += 1
        finally:
            connection.close()


def resident_bytes(address: str) -> float:
    """As the pod itself says; 0 when it does not answer just now."""
    connection = http.client.HTTPConnection(address, 8081, timeout=2)
    try:
        connection.request("GET", "/metrics")
        for line in connection.getresponse().read().decode().splitlines():
            if line.startswith("process_resident_memory_bytes "):
                return float(line.split()[1])
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return 0.0

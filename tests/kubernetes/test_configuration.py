"""Secrets that change under running pods, and what is missing or wrong: named, never a loss, never a crash loop without words."""

from __future__ import annotations

import json
import time

from psycopg import sql

from cluster import address_of, has_ended, name_of
from database import Database
from deployment import Deployment
from kafka_log import KafkaLog
from load import Load, check_all
from senders import Client, bearer
from stack import Source
from test_life import wait_events
from waiting import wait_until

SWAP_SECONDS = 60  # the kubelet brings a changed Secret within its sync period


def post(address: str, source: Source, token: str) -> int:
    client = Client(f"http://{address}:8080", timeout=5)
    try:
        return client.post(f"/webhook/{source.slug}", b"[]", bearer(token)).status
    finally:
        client.close()


def test_rotated_credential_of_a_source(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    """rotate, both are good; --retire, the old one is a 503. No pod restarts, and the load goes on with its own credential."""
    namespace = running.namespace
    restarts = namespace.restarts()
    other = running.add_source("Rotated")
    with Load(running.url, source) as load:
        running.apply_sources()
        addresses = [address_of(pod) for pod in namespace.ready("ingest")]
        wait_until(lambda: all(post(a, other, other.token) == 200 for a in addresses), "a new source is known to all pods", SWAP_SECONDS)
        fresh = json.loads(running.source_command("rotate", "Rotated", "--token", "--json"))["token"]
        running.apply_sources()
        start = time.monotonic()
        wait_until(lambda: all(post(a, other, fresh) == 200 for a in addresses), "the new token is good in all pods", SWAP_SECONDS)
        print(f"a changed Secret is in force after {time.monotonic() - start:.1f} s")
        assert all(post(a, other, other.token) == 200 for a in addresses), "the old token must be good beside the new"
        running.source_command("rotate", "Rotated", "--token", "--retire", "--json")
        running.apply_sources()
        wait_until(lambda: all(post(a, other, other.token) == 503 for a in addresses), "the old token is refused, to come again", SWAP_SECONDS)
        assert all(post(a, other, fresh) == 200 for a in addresses)
        wait_events(load)
    check_all(load, log, database)
    assert namespace.restarts() == restarts


def test_garbage_leaves_the_last_good_registry(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    namespace = running.namespace
    addresses = [address_of(pod) for pod in namespace.ready("ingest")]
    with Load(running.url, source) as load:
        wait_events(load)
        running.put_secret("backstitch-sources", {"sources.json": '{"sources": [ this is no JSON'})
        wait_until(lambda: all(metric(a, 8081, "ingest_sources_reload_failed") == 1 for a in addresses), "all pods say so", SWAP_SECONDS)
        assert "sources_not_reloaded" in namespace.logs("ingest")
        wait_events(load)
        running.apply_sources()
        wait_until(lambda: all(metric(a, 8081, "ingest_sources_reload_failed") == 0 for a in addresses), "and no longer", SWAP_SECONDS)
    check_all(load, log, database)


def metric(address: str, port: int, name: str) -> float:
    client = Client(f"http://{address}:{port}", timeout=5)
    try:
        lines = client.request("GET", "/metrics").body.decode().splitlines()
    finally:
        client.close()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_rotated_password_of_the_database(running: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    """New password in PostgreSQL, sessions ended, and only then in the Secret: loading waits, and goes on without a restart."""
    namespace = running.namespace
    pods = {name_of(pod) for pod in namespace.ready("loader")}
    restarts = namespace.restarts()
    with Load(running.url, source) as load:
        wait_events(load)
        set_password(database, "second")
        database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'backstitch'")
        before = sum(log.ends().values())
        wait_events(load)
        assert sum(log.ends().values()) > before, "ingest must go on meanwhile"
        running.put_secret("backstitch-database", {"url": "this is no URL"})
        wait_until(lambda: "database_url_not_read" in namespace.logs("loader"), "garbage is named in the log", SWAP_SECONDS)
        running.put_secret("backstitch-database", {"url": running.postgres.loader_url("second")})
        wait_until(lambda: "database_url_changed" in namespace.logs("loader"), "the new URL is read", SWAP_SECONDS)
        wait_events(load)
    check_all(load, log, database)
    assert {name_of(pod) for pod in namespace.ready("loader")} == pods and namespace.restarts() == restarts
    set_password(database, "first")
    running.apply_secrets()


def set_password(database: Database, password: str) -> None:
    database.query(sql.SQL("ALTER ROLE backstitch PASSWORD {}").format(sql.Literal(password)))


def test_what_is_missing_is_named(running: Deployment) -> None:
    """A pod without a Secret, without an option, with a wrong option: its status, its events or its last words name it."""
    namespace = running.namespace
    template = namespace.get("deployment", "backstitch-loader")["spec"]["template"]

    def try_pod(name: str, change: str) -> None:
        spec = json.loads(json.dumps(template["spec"]).replace(*change.split(" -> ")))
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app.kubernetes.io/component": "try"}}, "spec": spec}
        namespace.kubectl("apply", "-f", "-", stdin=json.dumps(pod))

    def said(name: str) -> str:
        return namespace.kubectl("get", "pod", name, "-o", "json") + namespace.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}")

    try:
        try_pod("no-secret", "backstitch-database -> backstitch-absent")
        try_pod("no-key", '"key": "KAFKA_BROKERS" -> "key": "KAFKA_ABSENT"')
        try_pod("wrong-option", '"value": "0.0.0.0:8082" -> "value": "everywhere"')
        wait_until(lambda: 'secret "backstitch-absent" not found' in said("no-secret").replace("\\", ""), "the Secret is named", 60)
        wait_until(lambda: "couldn't find key KAFKA_ABSENT" in said("no-key"), "the key is named", 60)
        ended = wait_until(lambda: has_ended(namespace.get("pod", "wrong-option")), "the container ends", 60)
        assert ended["exitCode"] == 2 and "LOADER_ADMIN_LISTEN" in ended["message"], ended
    finally:
        namespace.kubectl("delete", "pod", "-l", "app.kubernetes.io/component=try", "--grace-period=0", "--force", check=False)


def test_privileged_pods_are_refused(running: Deployment) -> None:
    """The namespace enforces Pod Security "restricted", under which ours run."""
    refused = running.namespace.kubectl("run", "bad", "--image=localhost/x", "--privileged", check=False)
    assert "violates PodSecurity" in refused

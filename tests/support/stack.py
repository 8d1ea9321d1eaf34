"""A local stack (deploy/local/up) as the tests use it: its commands, its processes, its sources."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import ProxyHandler, build_opener

import psycopg
from psycopg import sql

from ports import free_port, free_port_base
from programs import Program, clean_environment, is_alive, is_ready, run
from senders import Client, bearer
from waiting import wait_until

LOCAL = Path(__file__).resolve().parents[2] / "deploy" / "local"
TYPES = ("identify", "track", "page", "screen", "group", "alias")
TOPICS = (*TYPES, "delete", "rejected")


@dataclass(frozen=True)
class Source:
    """What `source add --json` printed."""

    name: str
    slug: str
    schema: str
    write_key: str
    token: str
    secret: str
    webhook_path: str


class Stack:
    """Kafka, PostgreSQL, ingest and loaders of one state folder. `settings` reach our programs when they start."""

    def __init__(self, state: Path, port_base: int | None = None, **settings: str) -> None:
        self.state = state
        self.port_base = port_base or free_port_base()
        self.settings = settings

    # --- commands -----------------------------------------------------------------------------------------------------

    def command(self, name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """One of deploy/local's commands, from a working directory that has nothing to do with it."""
        own = {"BACKSTITCH_STATE": str(self.state), "BACKSTITCH_PORT_BASE": str(self.port_base)}
        environment = clean_environment(**{**own, **self.settings, **settings})
        return subprocess.run([LOCAL / name, *arguments], cwd="/", env=environment, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=400, check=False)

    def must(self, name: str, *arguments: str, **settings: str) -> str:
        """The same; fails with its words unless it exits 0."""
        done = self.command(name, *arguments, **settings)
        assert done.returncode == 0, f"deploy/local/{name} exits {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def up(self, loaders: int, *arguments: str) -> str:
        return self.must("up", "--no-sample", "--loaders", str(loaders), *arguments)

    @property
    def env(self) -> dict[str, str]:
        """The env file."""
        found = (re.fullmatch(r"([A-Z_]+)='(.*)'", line) for line in (self.state / "env").read_text().splitlines())
        return {match[1]: match[2] for match in found if match is not None}

    # --- processes ----------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> list[str]:
        """kafka, postgres, ingest, loader, loader-2 ..: all that have a pid file."""
        return sorted(file.stem for file in (self.state / "run").glob("*.pid"))

    @property
    def loaders(self) -> list[str]:
        return [part for part in self.parts if part.startswith("loader")]

    def pid(self, part: str) -> int:
        return int((self.state / "run" / f"{part}.pid").read_text())

    def runs(self, part: str) -> bool:
        return is_alive(self.pid(part))

    def send_signal(self, part: str, number: signal.Signals) -> int:
        """Sends it; the pid that got it."""
        pid = self.pid(part)
        os.kill(pid, number)
        return pid

    def end(self, part: str, number: signal.Signals, seconds: float = 40) -> None:
        """Sends it and waits until the process has ended."""
        pid = self.send_signal(part, number)
        wait_until(lambda: not is_alive(pid), f"{part} (pid {pid}) ends by {number.name}", seconds)

    def log(self, part: str) -> str:
        return (self.state / "log" / f"{part}.log").read_text(errors="replace")

    def log_size(self, part: str) -> int:
        return len(self.log(part))

    def admin_port(self, part: str) -> int:
        """Of ingest or of a loader."""
        number = int(part.partition("-")[2] or 1)
        return self.port_base + (1 if part == "ingest" else 1 + number)

    def is_ready(self, part: str) -> bool:
        return is_ready(self.admin_port(part))

    def ingest_metric(self, name: str, label: str = "") -> float:
        """The sum over the series of a metric of ingest's that have the label."""
        with build_opener(ProxyHandler({})).open(f"{self.env['INGEST_ADMIN_URL']}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{name}[{{ ]", line) and label in line)

    def is_well(self) -> bool:
        """Every part runs."""
        return bool(self.parts) and all(self.runs(part) for part in self.parts)

    # --- sources ------------------------------------------------------------------------------------------------------

    @property
    def ingest_settings(self) -> dict[str, str]:
        """The environment for ingest's commands on this stack."""
        return {"KAFKA_BROKERS": self.env["KAFKA_BROKERS"], "INGEST_SOURCES_FILE": str(self.state / "sources.json"),
                "INGEST_PUBLIC_URL": self.env["INGEST_URL"]}

    def add_source(self, name: str, *arguments: str) -> Source:
        """A new source, known to the running ingest when this returns."""
        source = self.register_source(name, *arguments)
        self.wait_known(source)
        return source

    def register_source(self, name: str, *arguments: str) -> Source:
        """Only into the registry's file."""
        done = run(self.env["INGEST_BIN"], "source", "add", name, "--json", *arguments, settings=self.ingest_settings)
        assert done.returncode == 0, done.stderr
        printed = json.loads(done.stdout)
        return Source(**{field: printed[field] for field in Source.__dataclass_fields__})

    def wait_known(self, source: Source) -> None:
        """Until ingest has read the registry again."""
        client = Client(self.env["INGEST_URL"])
        wait_until(lambda: client.post(f"/webhook/{source.slug}", b"[]", bearer(source.token)).status == 200,
                   f"ingest knows the source {source.slug}", 15)
        client.close()

    # --- more of our programs on the same servers -------------------------------------------------------------------------

    def make_topics(self, prefix: str) -> None:
        """Topics of a prefix of its own."""
        done = run(self.env["INGEST_BIN"], "topics", "--dev", settings={**self.ingest_settings, "KAFKA_TOPIC_PREFIX": prefix})
        assert done.returncode == 0, done.stderr

    def make_database(self, name: str) -> str:
        """An empty database on the stack's server; its URL."""
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlunsplit(urlsplit(self.env["DATABASE_URL"])._replace(path=f"/{name}"))

    @contextmanager
    def another_loader(self, log: Path, database_url: str, group: str, *flags: str, **settings: str) -> Iterator[Program]:
        """A loader beside the stack's own, ready; killed at the end."""
        port = free_port()
        given = {"KAFKA_BROKERS": self.env["KAFKA_BROKERS"], "DATABASE_URL": database_url, "LOADER_GROUP": group,
                 "LOADER_ADMIN_LISTEN": f"127.0.0.1:{port}", **settings}
        with Program(log, [self.env["LOADER_BIN"], "run", *flags], **given) as loader:
            loader.wait_ready(port)
            yield loader

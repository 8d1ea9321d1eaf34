"""A real Kafka and a real PostgreSQL on this machine, where pods reach them: to be stopped, frozen and killed by tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg

from cluster import HOST
from images import CHECKOUT
from programs import is_alive
from waiting import wait_until

KAFKA_PORT = 9092
POSTGRES_PORT = 5432
ADMIN_PASSWORD = "admin"
LOADER_PASSWORD = "first"


def answers(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex((HOST, port)) == 0


class Server:
    """One server process with its children."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def _spawn(self, command: Sequence[str]) -> None:
        assert not answers(self.port), f"{HOST}:{self.port} is taken by another server"
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: answers(self.port), f"port {self.port} answers; log: {self.folder}/server.log", 120)

    def _pids(self) -> list[int]:
        """The server and its children, which PostgreSQL has for every connection."""
        assert self._process is not None
        children = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False).stdout.split()
        return [self._process.pid, *map(int, children)]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # a connection that has just ended

    def freeze(self) -> None:
        """Connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None or not is_alive(self._process.pid):
            return
        self._signal(signal.SIGCONT)
        os.kill(self._process.pid, number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait(20)


class Kafka(Server):
    """One broker, from the jars that deploy/local uses."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, KAFKA_PORT)
        folder.mkdir(parents=True)
        self.brokers = f"{HOST}:{self.port}"
        self._jars = fetch_jars(folder)
        self._config = folder / "server.properties"
        self._config.write_text(f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.port + 1}
listeners=PLAINTEXT://{HOST}:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}
advertised.listeners=PLAINTEXT://{HOST}:{self.port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
""")
        self._tool("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(self._config))

    def _java(self, memory: str) -> list[str]:
        return ["java", f"-Xmx{memory}", "-cp", f"{self._jars}/*", f"-Dlog4j2.configurationFile={CHECKOUT}/deploy/local/kafka/log4j2.xml"]

    def _tool(self, *arguments: str) -> None:
        done = subprocess.run([*self._java("256m"), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        self._spawn([*self._java("512m"), "kafka.Kafka", str(self._config)])


def fetch_jars(folder: Path) -> Path:
    """As deploy/local/up does, once for all stacks of this checkout."""
    script = ('STATE=$2; mkdir -p "$STATE/log"; for f in common state ports process install build kafka; do . "$1/lib/$f.sh"; done;'
              ' install_needs "$STATE/log/packages.log" "$NEEDS_JAVA$NEEDS_MAVEN" >&2; kafka_fetch >&2; kafka_jars')
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script, "fetch_jars", str(CHECKOUT / "deploy/local"), str(folder)],
                          capture_output=True, text=True, env={**os.environ, "BACKSTITCH_STATE": str(folder)}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.split()[-1])


class Postgres(Server):
    """One server. The loader's role owns the database and nothing else; `admin_url` is for the tests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, POSTGRES_PORT)
        folder.mkdir(parents=True)
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        programs = subprocess.run(["bash", "-c", 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1'],
                                  capture_output=True, text=True, check=True).stdout.strip()
        self._as_owner = ["setpriv", "--reuid", str(owner.pw_uid), "--regid", str(owner.pw_gid), "--clear-groups"]
        self._postgres = f"{programs}/postgres"
        (folder / "password").write_text(ADMIN_PASSWORD)
        shutil.chown(folder / "password", owner.pw_uid)
        subprocess.run([*self._as_owner, f"{programs}/initdb", "-D", str(folder / "data"), "-U", "admin", "-E", "UTF8", "-A",
                        "scram-sha-256", f"--pwfile={folder}/password"], check=True, capture_output=True)
        with open(folder / "data/pg_hba.conf", "a", encoding="utf-8") as access:
            access.write("host all all 10.0.0.0/8 scram-sha-256\n")
        self.admin_url = f"postgresql://admin:{ADMIN_PASSWORD}@{HOST}:{self.port}/backstitch"

    def start(self) -> None:
        self._spawn([*self._as_owner, self._postgres, "-D", str(self.folder / "data"), "-h", HOST, "-p", str(self.port),
                     "-k", str(self.folder), "-c", "max_connections=100"])
        wait_until(self._serves, f"PostgreSQL serves; log: {self.folder}/server.log", 120)

    def _serves(self) -> bool:
        """It opens its port before it has recovered."""
        try:
            psycopg.connect(self._maintenance_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _maintenance_url(self) -> str:
        return self.admin_url.replace("/backstitch", "/postgres")

    def make_database(self) -> None:
        with psycopg.connect(self._maintenance_url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE backstitch LOGIN PASSWORD '{LOADER_PASSWORD}'")
            connection.execute("CREATE DATABASE backstitch OWNER backstitch")

    def loader_url(self, password: str = LOADER_PASSWORD) -> str:
        return f"postgresql://backstitch:{password}@{HOST}:{self.port}/backstitch"

"""Real Kafka brokers of a test's own: one, or three with replicas; each can be stopped, killed, frozen, started again.

The jars are those of deploy/local (fetched once into build/). Every node is broker and controller. Data and logs lie in
the folder that is given; `with` ends all processes.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from ports import lasting_port
from programs import Program
from waiting import wait_until

LOCAL = Path(__file__).resolve().parents[2] / "deploy" / "local"
READY_SECONDS = 60
STOP_SECONDS = 30

# A throw-away state folder: kafka_fetch writes its log there.
FETCH = """
set -euo pipefail
export BACKSTITCH_STATE=$2
for file in common state ports process install build kafka; do . "$1/lib/$file.sh"; done
mkdir -p "$STATE/log"
install_needs "$STATE/log/packages.log" "$NEEDS_BASE$NEEDS_JAVA" >&2
[ -d "$(kafka_jars)" ] || install_needs "$STATE/log/packages.log" "$NEEDS_MAVEN" >&2
kafka_fetch >&2
java_find
kafka_jars
"""

CONFIG = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={protocol}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={protocol}://127.0.0.1:{port}
inter.broker.listener.name={protocol}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocol}:{protocol}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr=1
# What is unwell is noticed within seconds, not tens of them.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
replica.lag.time.max.ms=3000
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
"""


class Broker:
    """One node and its process."""

    def __init__(self, node: int, folder: Path, port: int, command: list[str]) -> None:
        self.node = node
        self.port = port
        self.log = folder / f"kafka-{node}.log"
        self._command = command
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        assert self._program is not None, f"broker {self.node} was never started"
        return self._program

    @property
    def pid(self) -> int:
        return self.program.pid

    @property
    def runs(self) -> bool:
        return self._program is not None and self._program.runs

    def start(self) -> None:
        """Without waiting."""
        assert not self.runs, f"broker {self.node} runs"
        self._program = Program(self.log, self._command)

    def is_open(self) -> bool:
        """Kafka opens its port last, when it serves."""
        assert self.runs, f"broker {self.node} ended:\n{self.log.read_text(errors='replace')[-3000:]}"
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait_open(self) -> None:
        wait_until(self.is_open, f"broker {self.node} serves", READY_SECONDS)

    def end(self, number: signal.Signals) -> None:
        """SIGTERM: an orderly stop; SIGKILL. Waits for the end."""
        self.program.send(number)
        self.program.send(signal.SIGCONT)
        self.program.wait(STOP_SECONDS)

    def freeze(self) -> None:
        self.program.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.program.send(signal.SIGCONT)


class KafkaCluster:
    """All nodes; `brokers` is what clients start from. `protocol` is what they are asked by, `further` what it needs."""

    def __init__(self, folder: Path, count: int = 1, protocol: str = "PLAINTEXT", further: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        java, jars = self._fetch()
        base = [java, "-Xmx384m" if count > 1 else "-Xmx512m", "-cp", f"{jars}/*",
                f"-Dlog4j2.configurationFile={LOCAL}/kafka/log4j2.xml"]
        ports = [(lasting_port(), lasting_port()) for _ in range(count)]
        voters = ",".join(f"{node}@127.0.0.1:{controller}" for node, (_, controller) in enumerate(ports, 1))
        identity = self._tool(base, "kafka.tools.StorageTool", "random-uuid").split()[-1]
        self.nodes = []
        for node, (port, controller) in enumerate(ports, 1):
            config = folder / f"kafka-{node}.properties"
            config.write_text(CONFIG.format(node=node, voters=voters, port=port, controller=controller, copies=count,
                                            protocol=protocol, data=folder / f"kafka-{node}") + further)
            self._tool(base, "kafka.tools.StorageTool", "format", "-t", identity, "-c", str(config))
            self.nodes.append(Broker(node, folder, port, [*base, "kafka.Kafka", str(config)]))

    def _fetch(self) -> list[str]:
        done = subprocess.run(["bash", "-c", FETCH, "fetch", str(LOCAL), str(self._folder / "fetch")], text=True,
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, "Kafka's jars could not be fetched"
        return done.stdout.split()

    def _tool(self, base: list[str], *arguments: str) -> str:
        done = subprocess.run([*base, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def brokers(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def pids(self) -> list[int]:
        return [node.pid for node in self.nodes if node.runs]

    def start(self) -> KafkaCluster:
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_open()
        return self

    def stop(self) -> None:
        """Kills what still runs: nobody reads its data again."""
        for node in self.nodes:
            if node.runs:
                node.end(signal.SIGKILL)

    def __enter__(self) -> KafkaCluster:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


if __name__ == "__main__":  # a cluster by hand: kafka_cluster.py FOLDER [COUNT]; ends with its input
    with KafkaCluster(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1) as started:
        print(started.brokers, flush=True)
        sys.stdin.read()

"""A PostgreSQL of a bench's or a test's own: its data in the folder that is given, one port on 127.0.0.1, no password.

The server refuses root: then it runs as the user `postgres`, and the folder must be one that this user can reach (below
/tmp, say). Stopped at once (SIGQUIT) by `with`, whatever happens.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import sql

from ports import lasting_port
from programs import Program
from waiting import wait_until

# What a small production server has, on a machine of 2 cores and a few GB. Durable: fsync and full_page_writes are on.
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "fsync": "on", "max_connections": "60",
            "autovacuum_naptime": "10min", "logging_collector": "off", "unix_socket_directories": ""}


class PrivatePostgres:
    """`url_of(database)` is where clients connect."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._bin = Path(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout.strip())
        self._data = folder / "postgres"
        self._log = folder / "postgres.log"
        self._settings = {**SETTINGS, **settings}
        self.port = lasting_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._prefix = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
            self._data.mkdir()
            os.chown(self._data, user.pw_uid, user.pw_gid)
            folder.chmod(0o755)
        self._run("initdb", "-D", str(self._data), "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        self._program: Program | None = None

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run([*self._prefix, str(self._bin / name), *arguments], cwd="/", text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"

    @property
    def pid(self) -> int:
        assert self._program is not None, "PostgreSQL was never started"
        return self._program.pid

    def url_of(self, database: str, port: int | None = None) -> str:
        return f"postgresql://bench@127.0.0.1:{port or self.port}/{database}"

    def is_open(self) -> bool:
        assert self._program is not None and self._program.runs, f"PostgreSQL ended:\n{self._log.read_text()[-2000:]}"
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> PrivatePostgres:
        words = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        self._program = Program(self._log, [*self._prefix, str(self._bin / "postgres"), "-D", str(self._data), "-h", "127.0.0.1",
                                            "-p", str(self.port), *words])
        wait_until(self.is_open, "PostgreSQL serves", 60)
        return self

    def end(self, number: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: sessions are ended, the server stops in order; SIGQUIT: as a crash."""
        if self._program is not None and self._program.runs:
            self._program.send(number)
            self._program.wait(60)

    def make_database(self, name: str) -> str:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def __enter__(self) -> PrivatePostgres:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.end(signal.SIGQUIT)

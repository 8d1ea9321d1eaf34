"""One of the loader's commands, run on a stack as its user would."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from programs import clean_environment, run
from stack import Stack


class LoaderCommand:
    """`backstitch-loader NAME`."""

    def __init__(self, stack: Stack, *name: str, **settings: str) -> None:
        self.words = [stack.env["LOADER_BIN"], *name]
        self.settings = {key: stack.env[key] for key in ("KAFKA_BROKERS", "DATABASE_URL")} | settings

    def run(self, *flags: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """To its end, whatever that is."""
        return run(*self.words, *flags, settings={**self.settings, **settings})

    def must(self, *flags: str) -> dict[str, Any]:
        """What it says with --json; it must succeed."""
        done = self.run(*flags, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def start(self, *flags: str) -> subprocess.Popen[str]:
        """Under way, to be killed or waited for."""
        return subprocess.Popen([*self.words, *flags], env=clean_environment(**self.settings), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

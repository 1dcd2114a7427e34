"""A server for the tests, in a process of its own that cannot outlive the tests."""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path
from typing import Any

from .environment import server_python

#: Seconds that a server may take until it says where it listens.
START = 60


class ServerProcess:
    """One of the serve_*.py scripts; it ends when its stdin does, and so when we do."""

    def __init__(self, script: str, *arguments: str, log: Path) -> None:
        """Start it; what it prints on stderr goes into `log`."""
        self._log_path = log
        # -I: its folder must not stand in front of the packages, for swift.py lies there too.
        command = [str(server_python()), "-I", str(Path(__file__).parent / script), *arguments]
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for the tests; they end it
            )
        self.said: dict[str, Any] = self._first_line()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def log(self) -> str:
        """What it has complained about so far."""
        return self._log_path.read_text("utf-8", "replace")

    def stop(self) -> None:
        """End it and what it started."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def _first_line(self) -> dict[str, Any]:
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], START)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise RuntimeError(f"the server did not start:\n{self.log()}")
        said: dict[str, Any] = json.loads(line)
        return said

"""A PostgreSQL server of a test's own, as an unprivileged user, on a socket in a folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from types import TracebackType

COMMANDS = ("initdb", "pg_ctl", "psql")
#: The server refuses to run as root; the first of these that there is has it instead.
USERS = ("postgres", "nobody")
#: What is lost with the machine may be lost, but not what is lost with the server.
HURRY = "-c fsync=off -c full_page_writes=off"


def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    absent = [command for command in COMMANDS if not shutil.which(command)]
    return f"not on the PATH: {', '.join(absent)}" if absent else None


class Postgres:
    """One server while its `with` block lasts."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._user = _somebody() if os.geteuid() == 0 else None
        # Not in pytest's folder, which nobody else may enter; and a socket's path must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="wv-pg-"))

    def __enter__(self) -> Postgres:
        if self._user:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        more = ("--auth=trust", "--username=gateway", "--encoding=UTF8", "--no-sync")
        self._run("initdb", "--pgdata", str(self._data), *more)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Have it serve."""
        options = f"-k {self._folder} -c listen_addresses= -c max_connections=200 {HURRY}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "--pgdata", str(self._data), "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        """Have it gone, every connection with it, at once."""
        self._run("pg_ctl", "--pgdata", str(self._data), "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}", "postgres")
        return f"postgresql://gateway@/{name}?host={self._folder}"

    def execute(self, statement: str, database: str) -> str:
        """What psql prints for a statement."""
        options = ("-h", str(self._folder), "-U", "gateway", "-d", database)
        return self._run("psql", *options, "-v", "ON_ERROR_STOP=1", "-AtXqc", statement)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, *command: str) -> str:
        # Into a file: the server that pg_ctl starts inherits its output, and keeps a pipe open.
        with tempfile.TemporaryFile() as output:
            code = subprocess.call(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
            )
            output.seek(0)
            said = output.read().decode("utf-8", "replace")
        if code:
            raise RuntimeError(f"{command[0]} ended with {code}:\n{said}")
        return said.strip()


def _somebody() -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in USERS if name in known)

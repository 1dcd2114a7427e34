"""Commands of other programs, each with what it prints in a file."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

#: Lines of a log that are shown when a command fails.
TAIL = 40


class Failed(Exception):
    """A command, or what was to hold of the image, failed; the message is for a person."""


def log_of(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float = 3600,
) -> str:
    """Run a command, and give what it printed. Raises Failed with the last lines of that."""
    with log.open("wb") as file:
        ended = _ended(command, file, environment, seconds)
    printed = log.read_text("utf-8", "replace")
    if ended != "0":
        last = "\n".join(printed.splitlines()[-TAIL:])
        raise Failed(f"{command[0]} ended with {ended}; the end of {log}:\n{last}")
    return printed


def _ended(
    command: Sequence[str],
    output: BinaryIO,
    environment: Mapping[str, str] | None,
    seconds: float,
) -> str:
    """The command's exit code, or that it had none in time."""
    try:
        done = subprocess.run(  # noqa: S603  our own commands
            list(command),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment and dict(environment),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"nothing within {seconds:.0f} s"
    return str(done.returncode)


def answer(command: Sequence[str]) -> str:
    """What a command answers, without the last line's end; empty where it fails or is not there."""
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

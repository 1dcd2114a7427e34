"""A container's own command, its health, and its end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

from loopback import WorkerProcess

from .image import Buildah
from .shell import Failed


def run(
    buildah: Buildah, image: str, name: str, settings: Mapping[str, str], user: str = ""
) -> list[str]:
    """How to start a container as `docker run IMAGE` would."""
    words = ["run", "--isolation", "chroot", *(["--user", user] if user else [])]
    # A tiny network gains nothing from a second thread, and on a busy machine it loses much.
    for key, value in ({"OMP_NUM_THREADS": "1"} | dict(settings)).items():
        words += ["--env", f"{key}={value}"]
    own_command: list[str] = buildah.inspect(image)["config"]["Cmd"]
    return buildah.command(*words, name, "--", *own_command)


def is_healthy(buildah: Buildah, image: str, name: str) -> bool:
    """What the image's own health command says."""
    kind, *command = buildah.inspect(image)["config"]["Healthcheck"]["Test"]
    if kind != "CMD":
        raise Failed(f"the image's health command is of the kind {kind}")
    words = buildah.command("run", "--isolation", "chroot", name, "--", *command)
    return subprocess.run(words, capture_output=True, check=False).returncode == 0  # noqa: S603


def terminate(process: WorkerProcess) -> None:
    """SIGTERM to the process in the container: buildah's processes, which stand above it and bear
    its arguments too, do not hand the signal on.
    """
    for child in process.children():
        if child.name().startswith("python"):
            child.terminate()
            return
    raise Failed(f"nothing runs:\n{process.log()}")


def expect(holds: bool, otherwise: str, log: Path) -> None:
    """Raises Failed, with the end of a log, where something does not hold."""
    if not holds:
        raise Failed(f"{otherwise}:\n{log.read_text('utf-8', 'replace')[-4000:]}")


def own_environment() -> dict[str, str]:
    """buildah's: it hands none of it on."""
    own: dict[str, str] = psutil.Process().environ()
    return own

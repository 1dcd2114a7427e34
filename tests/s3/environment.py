"""The Python environment that the S3 servers run in, apart from the worker's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
ROOT = REQUIREMENTS.parents[2]


def server_python() -> Path:
    """The interpreter that has the servers installed.

    S3_TEST_VENV names an environment that is ready; without it .venv-s3 in the repository is used,
    and made when it is not there.
    """
    named = os.environ.get("S3_TEST_VENV")
    folder = Path(named) if named else _own_environment(ROOT / ".venv-s3")
    return folder / "bin" / "python"


def _own_environment(folder: Path) -> Path:
    from filelock import FileLock

    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):  # the tests run in several processes
        if not _is_ready(folder):
            _install(folder)
    return folder


def _is_ready(folder: Path) -> bool:
    ready = folder / "ready"
    return ready.exists() and ready.stat().st_mtime >= REQUIREMENTS.stat().st_mtime


def _install(folder: Path) -> None:
    _run(sys.executable, "-m", "venv", str(folder))
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check")
    _run(*pip, "-q", "-r", str(REQUIREMENTS))
    (folder / "ready").touch()


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace")
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")

"""`make serve` as somebody uses it: started, the printed lines run as they are, ended by Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.loop.starting import until
from tests.probe import probe

pytestmark = pytest.mark.loop

HEADINGS = {
    "ModelsLab": "modelslab.mp4",
    "OpenAI": "openai.mp4",
    "LocalAI": "localai.mp4",
}


@dataclass(frozen=True, kw_only=True)
class Served:
    """One that runs, and what it has printed."""

    process: subprocess.Popen[str]
    lines: list[str]

    def after(self, word: str) -> str:
        """The line under the heading with this word."""
        heading = next(line for line in self.lines if line.startswith("#") and word in line)
        return self.lines[self.lines.index(heading) + 1]

    def end(self) -> tuple[int, str]:
        """Ctrl-C: the exit code, and what it says then. Nothing that it started may be left."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        assert len(below) >= 2
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=60)
        assert not [child for child in below if child.is_running()]
        return self.process.returncode, said


def start(root: Path, models: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    own = ("--models", str(models), "--folder", str(folder))
    return subprocess.Popen(
        [sys.executable, "-m", "serve", "--port", "0", "--platform-port", "0", *own, *more],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def served(
    root: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    process = start(root, tiny_models, tmp_path_factory.mktemp("serve"))
    lines: list[str] = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if "Ctrl-C" in line:
            break
    else:
        raise AssertionError("\n".join(lines))
    yield Served(process=process, lines=lines)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the PATH")
@pytest.mark.parametrize(("api", "file"), HEADINGS.items())
def test_a_printed_line_leaves_a_video(served: Served, api: str, file: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        ["bash", "-c", served.after(api)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert probe(tmp_path / file).size == (128, 128)


def test_the_printed_line_of_the_sdk_gives_a_video(served: Served, tmp_path: Path) -> None:
    ran = subprocess.run(
        ["bash", "-c", served.after("RunPod")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "'width': 128" in ran.stdout


def test_the_page_and_the_routes_are_where_it_says(served: Served) -> None:
    links = [line.split()[-1] for line in served.lines if line.startswith(("A page", "All routes"))]
    assert [httpx.get(link).status_code for link in links] == [200, 200]


def test_ctrl_c_ends_all_of_it(served: Served) -> None:
    code, said = served.end()
    assert (code, "Traceback" in said) == (0, False), said
    for line in served.lines:
        if line.startswith("A page"):
            with pytest.raises(httpx.ConnectError):
                httpx.get(line.split()[-1])


def test_ctrl_c_while_it_starts_ends_all_of_it(
    root: Path, tiny_models: Path, tmp_path: Path
) -> None:
    process = start(root, tiny_models, tmp_path)
    until(lambda: psutil.Process(process.pid).children())
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in said) == (0, False), said
    assert not [child for child in below if child.is_running()]


@pytest.mark.parametrize("option", ["--port", "--platform-port"])
def test_a_port_that_is_taken_is_named_with_the_option_for_another(
    root: Path, tiny_models: Path, tmp_path: Path, option: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = start(root, tiny_models, tmp_path, option, str(port))
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.strip() == (
        f"cannot serve: cannot listen on 127.0.0.1:{port}: Address already in use; "
        f"{option} takes another, or 0 for any"
    )


def test_a_worker_that_does_not_come_up_is_told_with_its_log(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    process = start(root, tmp_path / "empty", tmp_path)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the worker ended with" in said
    assert "make tiny-models" in said

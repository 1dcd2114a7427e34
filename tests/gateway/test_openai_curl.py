"""The commands of vLLM-Omni's document, changed in host, key and media and in nothing else but
the size, which the tests' worker would take long for.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.fakes import Gateway, QuickWorker
from tests.gateway.pictures import PNG
from tests.probe import probe

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Shell:
    """Runs commands in a folder of their own."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.folder = folder
        self._gateway = gateway

    def __call__(self, command: str) -> str:
        """What it prints; CURL stands for curl with a key, HOST for the gateway."""
        command = command.replace("CURL", "curl -sSf -H 'Authorization: Bearer caller-key'")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.replace("HOST", self._gateway.url)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path, gateway: Gateway) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "start.png").write_bytes(PNG)
    return Shell(folder, gateway)


def finished(shell: Shell, created: str) -> dict[str, Any]:
    """The record of what was created, polled as the document does."""
    name = json.loads(created)["id"]
    while True:
        record: dict[str, Any] = json.loads(shell(f'CURL "HOST/v1/videos/{name}"'))
        if record["status"] not in ("queued", "in_progress"):
            return record


def test_create_poll_and_download(shell: Shell, worker: QuickWorker) -> None:
    created = shell(
        """CURL HOST/v1/videos \\
        -F "prompt=A cinematic tracking shot of a mountain lake at sunrise" \\
        -F "width=128" \\
        -F "height=72" \\
        -F "num_frames=8" \\
        -F "fps=16" \\
        -F "num_inference_steps=40"
        """
    )
    record = finished(shell, created)
    assert record["status"] == "completed"
    shell(f'CURL -L "HOST/v1/videos/{record["id"]}/content" -o output.mp4')
    video = probe(shell.folder / "output.mp4")
    assert (video.size, video.frames) == ((128, 72), 8)
    assert worker.pipelines.requests[0].parameters.num_inference_steps == 40


def test_image_to_video(shell: Shell, worker: QuickWorker) -> None:
    created = shell(
        """CURL HOST/v1/videos \\
        -F "prompt=animate this image with subtle camera movement" \\
        -F "input_reference=@start.png" \\
        -F "width=128" \\
        -F "height=72" \\
        -F "num_frames=8" \\
        -F "fps=16"
        """
    )
    assert finished(shell, created)["status"] == "completed"
    ((image, _),) = worker.pipelines.inputs
    assert image.size == (128, 72)


@pytest.mark.usefixtures("worker")
def test_synchronous_generation(shell: Shell) -> None:
    shell(
        """CURL -X POST HOST/v1/videos/sync \\
        -F "prompt=A small robot walking through a neon city" \\
        -F "width=86" \\
        -F "height=48" \\
        -F "num_frames=8" \\
        -F "fps=16" \\
        -o output.mp4
        """
    )
    video = probe(shell.folder / "output.mp4")
    assert (video.size, video.frames) == ((86, 48), 8)


@pytest.mark.usefixtures("worker")
def test_list_and_delete(shell: Shell) -> None:
    created = json.loads(shell('CURL HOST/v1/videos -F "prompt=a" -F "size=64x48"'))
    (listed,) = json.loads(shell("CURL HOST/v1/videos"))["data"]
    assert listed["id"] == created["id"]
    gone = json.loads(shell(f'CURL -X DELETE "HOST/v1/videos/{created["id"]}"'))
    assert gone == {"id": created["id"], "deleted": True, "object": "video.deleted"}
    assert json.loads(shell("CURL HOST/v1/videos"))["data"] == []

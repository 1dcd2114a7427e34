"""The SDK's local modes through the same door."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from loopback import WorkerProcess

from .conftest import environment

pytestmark = pytest.mark.loop


@pytest.mark.parametrize("way", ["--test_input", "test_input.json"])
def test_one_job_from_the_command_line_or_a_file_is_done_and_printed(
    root: Path, tmp_path: Path, way: str
) -> None:
    text = json.dumps({"input": {"seconds": 0}})
    (tmp_path / "test_input.json").write_text(text)
    done = subprocess.run(
        [sys.executable, root / "tests/door/worker.py", *([way, text] if way[0] == "-" else [])],
        cwd=tmp_path,
        env={**os.environ, **environment(root), "DOOR": '{"sdk_log_level": "info"}'},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Job result: {'output': {'at_once': 1}}" in done.stdout
    assert "DEBUG" not in done.stdout


def test_the_sdks_own_server_answers(root: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    where = {**os.environ, **environment(root), "NO_PROXY": "localhost"}
    script = str(root / "tests/door/worker.py")
    command = (sys.executable, script, "--rp_serve_api", "--rp_api_port", str(port))
    with WorkerProcess(tmp_path, where, tmp_path / "worker.log", command) as worker:
        answer = post(worker, f"http://localhost:{port}/runsync", {"input": {"seconds": 0}})
    assert answer["status"] == "COMPLETED"
    assert answer["output"] == {"at_once": 1}


def post(worker: WorkerProcess, url: str, body: object) -> dict[str, object]:
    """Ask until the server is up."""
    data = json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
    while worker.is_running:
        try:
            with urlopen(request, timeout=20) as response:  # noqa: S310
                answer: dict[str, object] = json.load(response)
                return answer
        except URLError:
            time.sleep(0.1)
    raise AssertionError(worker.log())

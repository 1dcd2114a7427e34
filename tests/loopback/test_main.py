"""`python -m loopback`."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from loopback import POD, Platform

COMMAND = [sys.executable, "-m", "loopback", "--endpoint", "mine", "--port"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end_and_prints_what_a_worker_needs(
    root: Path, number: signal.Signals
) -> None:
    lines: list[str] = []
    with subprocess.Popen([*COMMAND, "0"], cwd=root, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        while not lines or "NO_PROXY" not in lines[-1]:
            lines.append(served.stdout.readline())
            assert lines[-1]
        exports = [shlex.split(line)[1] for line in lines if line.startswith("export")]
        settings = dict(line.split("=", 1) for line in exports)
        take = settings["RUNPOD_WEBHOOK_GET_JOB"]
        health = take.partition("/job-take/")[0] + "/health"
        answer = requests.get(health, headers={"Authorization": "k"}, timeout=5)
        served.send_signal(number)
        code = served.wait(10)

    assert answer.json()["workers"] == {"idle": 0, "running": 0}
    assert code == 0
    assert take.endswith("/v2/mine/job-take/$ID?gpu=SIM")
    assert set(settings) == set(Platform().settings())
    assert settings["RUNPOD_POD_ID"] == POD


def test_a_port_that_is_taken_is_named(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, port], cwd=root, capture_output=True, text=True, check=False, timeout=20
        )

    assert done.returncode == 1
    assert f"cannot serve on port {port}" in done.stderr
    assert "Traceback" not in done.stderr

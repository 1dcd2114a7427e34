"""`python -m src.gateway.keys` as an operator types it, and what its keys open."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from src.gateway.keys import main
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker, settled

Run = Callable[..., "Ran"]

BODY = settled({"prompt": "a fox"})
PATH = "/api/v6/video/text2video"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The database of the test's gateway, too."""
    return f"sqlite:///{tmp_path}/gateway.db"


@dataclass(frozen=True)
class Ran:
    """What a command said, and how it ended: 0, 2, or a sentence."""

    ended: object
    out: str
    err: str


@pytest.fixture
def run(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """The command with these arguments, without a process for each."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["keys", *arguments])
        ended: object = 0
        try:
            main()
        except SystemExit as error:
            ended = error.code
        return Ran(ended, *capsys.readouterr())

    return run


def call(gateway: Gateway, secret: str) -> int:
    with gateway.client(secret) as client:
        return client.post(PATH, json=BODY).status_code


def test_a_key_opens_until_it_is_revoked(
    run: Run, serve: Serve, worker: QuickWorker, tmp_path: Path
) -> None:
    added = run("add", "Zoë & Söhne", "--calls", "7", "--video-seconds", "90.5")
    secret = added.out.strip()
    assert (added.ended, re.fullmatch(r"wv_\S{40,}", secret) is not None) == (0, True)
    assert "once" in added.err

    gateway = serve(runpod_api_key="platform-key")
    assert call(gateway, secret) == 200
    assert call(gateway, "wv_something-else") == 401
    listed = run("list").out
    assert "Zoë & Söhne" in listed
    assert "1 of 7" in listed
    assert "0.625 of 90.5" in listed
    assert secret not in listed

    assert run("revoke", "Zoë & Söhne").ended == 0
    assert call(gateway, secret) == 401
    assert "revoked" in run("list").out
    assert len(worker.jobs) == 1
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("gateway.db*"))
    assert secret.encode() not in kept
    assert b"platform-key" not in kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", ""), "printable"),
        (("add", "a" * 201), "200"),
        (("add", "two\nlines"), "printable"),
        (("add", "a", "--calls", "-1"), "whole number"),
        (("add", "a", "--calls", "1.5"), "whole number"),
        (("add", "a", "--calls", "9999999999"), "whole number"),
        (("add", "a", "--gpu-seconds", "nan"), "number of seconds"),
        (("add", "a", "--video-seconds", "-1"), "number of seconds"),
        (("add", "taken"), "taken"),
        (("revoke", "nobody"), "nobody"),
        ((), "required"),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: tuple[str, ...], said: str) -> None:
    if "taken" in arguments:
        assert run("add", "taken").ended == 0
    result = run(*arguments)

    assert result.ended != 0
    assert said in f"{result.err} {result.ended}"
    assert result.out == ""


@pytest.mark.parametrize("url", ["mysql://host/name", "no url", "sqlite:////no/such/folder/a.db"])
def test_a_database_that_is_not_there_is_said(run: Run) -> None:
    assert str(run("list").ended).startswith("error: ")


def test_the_list_of_nobody_is_a_heading(root: Path, url: str) -> None:
    """By a process of its own, as operators start it."""
    done = subprocess.run(
        [sys.executable, "-m", "src.gateway.keys", "list"],
        cwd=root,
        env={**os.environ, "GATEWAY_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split()[:3] == ["NAME", "SINCE", "STATE"]
    assert len(done.stdout.splitlines()) == 1

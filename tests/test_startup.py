"""What a start says of itself, and what it puts off."""

import gc
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.startup import phase, tell, uncollected


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "src")


@pytest.fixture
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def said(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records]


def test_a_phase_is_told_with_its_seconds_once_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    with phase("load"):
        assert said(caplog) == []
        time.sleep(0.05)

    (line,) = said(caplog)
    assert line["message"] == "start: load"
    assert line["phase"] == "load"
    assert 0.05 <= line["seconds"] <= line["since_start"]


def test_a_phase_that_fails_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="cut short"), phase("load"):
        raise ValueError("cut short")
    assert said(caplog) == []


def test_further_facts_stand_in_the_line(caplog: pytest.LogCaptureFixture) -> None:
    tell("read", 1.234, bytes=17)
    (line,) = said(caplog)
    assert (line["seconds"], line["bytes"]) == (1.23, 17)


def test_the_start_is_that_of_the_process_and_not_of_this_file(root: Path) -> None:
    script = (
        "import time; time.sleep(0.3); from src.startup import since_start; print(since_start())"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    took = time.monotonic() - begun
    assert 0.3 <= float(done.stdout) <= took + 0.1  # the kernel counts in hundredths


@pytest.mark.usefixtures("thawed")
def test_nothing_is_collected_meanwhile_nor_what_is_there_after_it() -> None:
    frozen = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        made = [[index] for index in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(made)


@pytest.mark.usefixtures("thawed")
def test_garbage_is_collected_again_after_a_start_that_fails() -> None:
    with pytest.raises(SystemExit), uncollected():
        raise SystemExit
    assert gc.isenabled()


@pytest.mark.usefixtures("thawed")
def test_what_is_made_afterwards_is_collected_as_ever() -> None:
    import weakref

    class Node:
        def __init__(self) -> None:
            self.itself = self

    with uncollected():
        pass
    gone = weakref.ref(Node())
    gc.collect()
    assert gone() is None

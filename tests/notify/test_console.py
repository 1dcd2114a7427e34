import logging
import threading

import pytest

from src.generation import Report, Stage
from src.notify import ConsoleProgress
from src.notify import console as console_module

from .conftest import Reports


def encode(report: Report) -> dict[str, int]:
    raise AssertionError(f"nobody reads JSON at a terminal: {report}")


async def test_a_terminal_shows_a_bar_that_ends_where_the_steps_end(
    capsys: pytest.CaptureFixture[str], report: Reports
) -> None:
    progress = ConsoleProgress(interactive=True)
    progress.started("job-1", encode)
    for done in range(1, 5):
        progress.tell(report(step=done, total=4))
    await progress.finished("job-1")

    shown = capsys.readouterr().err
    assert "job-1: 100%" in shown
    assert "4/4" in shown
    assert shown.endswith("\n")


async def test_a_bar_says_the_stage_and_follows_a_total_that_grows(
    capsys: pytest.CaptureFixture[str], report: Reports
) -> None:
    progress = ConsoleProgress(interactive=True)
    progress.started("job-1", encode)
    progress.tell(report(stage=Stage.LOAD))
    progress.tell(report(step=4, total=4))
    progress.tell(report(step=4, total=8))
    progress.tell(report(stage=Stage.ENCODE, step=8, total=8))
    await progress.finished("job-1")

    shown = capsys.readouterr().err
    assert ", load]" in shown
    assert ", generate]" in shown
    assert "8/8" in shown.rpartition("\r")[2]
    assert ", encode]" in shown.rpartition("\r")[2]


async def test_a_log_gets_few_lines_and_always_the_stages_and_the_last_step(
    caplog: pytest.LogCaptureFixture, report: Reports
) -> None:
    caplog.set_level(logging.INFO)
    progress = ConsoleProgress(interactive=False)
    progress.started("job-1", encode)
    for stage in (Stage.FETCH, Stage.WAIT, Stage.LOAD):
        progress.tell(report(stage=stage))
    for done in range(1, 51):
        progress.tell(report(step=done, total=50))
    for stage in (Stage.ENCODE, Stage.STORE):
        progress.tell(report(stage=stage, step=50, total=50))
    await progress.finished("job-1")

    assert [record.getMessage() for record in caplog.records] == [
        "fetch",
        "wait",
        "load",
        "generate",
        "step 50 of 50",
        "encode",
        "store",
    ]


async def test_a_slow_job_has_lines_about_steps_with_the_seconds_that_are_left(
    caplog: pytest.LogCaptureFixture, report: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_module, "LOG_INTERVAL", 0.0)
    caplog.set_level(logging.INFO)
    progress = ConsoleProgress(interactive=False)
    progress.started("job-1", encode)
    progress.tell(report(step=1, total=3, eta=41.6))
    progress.tell(report(step=2, total=3))

    assert [record.getMessage() for record in caplog.records] == [
        "generate",
        "step 1 of 3, 42 s left",
        "step 2 of 3",
    ]


async def test_two_jobs_have_a_bar_each(
    capsys: pytest.CaptureFixture[str], report: Reports
) -> None:
    progress = ConsoleProgress(interactive=True)
    for job_id in ("a", "b"):
        progress.started(job_id, encode)
        progress.tell(report(job_id, step=1, total=2))
    await progress.finished("a")
    progress.tell(report("b", step=2, total=2))
    await progress.finished("b")

    assert "b: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("interactive", [True, False])
async def test_a_job_that_is_finished_or_never_started_is_not_shown(
    interactive: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    report: Reports,
) -> None:
    caplog.set_level(logging.INFO)
    progress = ConsoleProgress(interactive=interactive)
    progress.tell(report("never", step=1, total=2))
    progress.started("over", encode)
    await progress.finished("over")
    capsys.readouterr()

    progress.tell(report("over", step=1, total=2))
    await progress.finished("over")

    assert capsys.readouterr().err == ""
    assert caplog.records == []


async def test_a_terminal_that_has_gone_stops_nobody(
    report: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", Gone())
    progress = ConsoleProgress()
    progress.started("job-1", encode)
    progress.tell(report(step=1, total=2))
    await progress.finished("job-1")


async def test_threads_may_tell_at_once(
    capsys: pytest.CaptureFixture[str], report: Reports
) -> None:
    progress = ConsoleProgress(interactive=True)
    progress.started("job-1", encode)

    def tell() -> None:
        for done in range(1, 101):
            progress.tell(report(step=done, total=100))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.tell(report(step=100, total=100))
    await progress.finished("job-1")

    assert "100/100" in capsys.readouterr().err.rpartition("\r")[2]

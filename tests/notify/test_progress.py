import logging

import pytest

from src.notify import ConsoleProgress


def test_a_terminal_shows_a_bar_that_ends_where_the_steps_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = ConsoleProgress(interactive=True)
    for done in range(1, 5):
        progress.step("job-1", done, 4)
    progress.finished("job-1")

    shown = capsys.readouterr().err
    assert "job-1: 100%" in shown
    assert "4/4" in shown


def test_a_log_gets_few_lines_and_always_the_last_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = ConsoleProgress(interactive=False)
    for done in range(1, 51):
        progress.step("job-1", done, 50)
    progress.finished("job-1")

    assert [record.getMessage() for record in caplog.records] == ["job-1: step 50 of 50"]


def test_two_jobs_have_a_bar_each(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress(interactive=True)
    progress.step("a", 1, 2)
    progress.step("b", 1, 2)
    progress.finished("a")
    progress.step("b", 2, 2)
    progress.finished("b")

    assert "b: 100%" in capsys.readouterr().err

"""The cold-start bench: what it prints, and that it takes out what it says."""

from contextlib import nullcontext

import pytest

import handler
import src.door.sdk
import src.readahead
import src.startup
from bench import without
from bench.cold_start import NAIVE, OURS, table


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (src.startup, "uncollected"),
        (src.door.sdk, "_processor_by_name"),
        (src.readahead, "read_ahead"),
        (handler, "_built"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))


def test_the_table_has_medians_of_what_rounds_give_and_not_shares_of_medians() -> None:
    figures = {
        NAIVE: [{"seconds": 10.0, "cpu": 8.0}, {"seconds": 40.0, "cpu": 8.0}],
        OURS: [{"seconds": 5.0, "cpu": 4.0}, {"seconds": 10.0, "cpu": 6.0}],
    }
    lines = table(figures).splitlines()[2:]
    assert lines == ["| naive | 25.00 | 0.38 | 0.62 |", "| ours | 7.50 | 1.00 | 1.00 |"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("measure", list(without.MEASURES))
def test_a_measure_is_taken_out_and_only_that(measure: str) -> None:
    def places() -> list[object]:
        return [
            src.startup.uncollected,
            src.door.sdk._processor_by_name,
            src.readahead.read_ahead,
            handler._built,
        ]

    before = places()
    without.MEASURES[measure]()
    changed = [old is not new for old, new in zip(before, places(), strict=True)]
    assert changed.count(True) == 1


@pytest.mark.usefixtures("restored")
def test_what_stands_in_for_a_block_is_a_block() -> None:
    without.MEASURES["the SDK without its second of sleep"]()
    with src.door.sdk._processor_by_name():
        pass
    stand_in: object = src.door.sdk._processor_by_name
    assert stand_in is nullcontext

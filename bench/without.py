"""`python -m bench.without MEASURE`: handler.py with one of its start's measures taken out.

Each is taken out where the product would make use of it; nothing of the product knows of that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import handler
import src.door.sdk
import src.readahead
import src.startup


def main(measure: str) -> None:
    """Start the worker."""
    MEASURES[measure]()
    handler.main()


def _collecting() -> None:
    src.startup.uncollected = nullcontext  # type: ignore[assignment]


def _asking_for_the_processor() -> None:
    src.door.sdk._processor_by_name = nullcontext  # type: ignore[assignment]


def _loading_after_the_sdk() -> None:
    """What the GPU's thread does is begun when its check is waited for."""

    class Later:
        def __init__(self, gpu: Any, work: Callable[[], Any]) -> None:
            self._gpu, self._work = gpu, work

        def result(self) -> Any:
            return self._gpu.submit(self._work).result()

    def begin(maker: Any, work: Callable[[], Any]) -> Later:
        return Later(maker._gpu, work)

    def change() -> None:
        from src.worker.making import Maker

        Maker.begin = begin  # type: ignore[method-assign, assignment]

    _after_building(change)


def _reading_nothing_ahead() -> None:
    src.readahead.read_ahead = lambda _files: None  # type: ignore[assignment, misc]


def _every_family() -> None:
    def change() -> None:
        from src.pipelines import FAMILIES

        list(FAMILIES.values())

    _after_building(change)


def _filling_what_is_read_next() -> None:
    def change() -> None:
        from src.pipelines import FAMILIES

        object.__setattr__(FAMILIES["animatediff"], "reading", nullcontext)

    _after_building(change)


def _after_building(change: Callable[[], None]) -> None:
    built = handler._built

    def then_changed() -> Any:
        made = built()
        change()
        return made

    handler._built = then_changed


#: By what is measured.
MEASURES: dict[str, Callable[[], None]] = {
    "no garbage collection while importing": _collecting,
    "the SDK without its second of sleep": _asking_for_the_processor,
    "loading beside the SDK's import": _loading_after_the_sdk,
    "weights read ahead": _reading_nothing_ahead,
    "families imported when served": _every_family,
    "AnimateDiff's UNet not filled before it is read": _filling_what_is_read_next,
}

if __name__ == "__main__":
    main(sys.argv[1])

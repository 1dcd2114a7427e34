"""Counts denoising steps over all passes of a job, and lets the worker stop between two.

By the progress bar that every pipeline of diffusers draws: some have no callback of any kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from .base import OnStep
from .family import Pipeline


class Steps:
    """The steps of one job."""

    def __init__(self, on_step: OnStep, *, later: int = 0) -> None:
        """`later` is how many steps are expected of passes after the first."""
        self._on_step = on_step
        self._later = later
        self._done = 0

    @contextmanager
    def of(self, pipeline: Pipeline, *, rounds: int = 1) -> Iterator[None]:
        """Hear of each step of one call of the pipeline, which goes through them all so often.

        What the worker raises on hearing of a step comes out of the call.
        """
        pipeline.__dict__["progress_bar"] = _Bars(self, rounds)
        try:
            yield
        finally:
            del pipeline.__dict__["progress_bar"]

    def last_pass(self) -> None:
        """Expect nothing more than what is to come in the next call."""
        self._later = 0

    def step(self, *, left: int) -> None:
        """One step is done; `left` are left in this call."""
        self._done += 1
        self._on_step(self._done, self._done + left + self._later)


class _Bars:
    """Stands in the place of a pipeline's progress_bar method."""

    def __init__(self, steps: Steps, rounds: int) -> None:
        self._steps = steps
        self._rounds = rounds

    def __call__(self, iterable: Any = None, total: int | None = None) -> _Bar:
        self._rounds -= 1
        count = total if total is not None else len(iterable)
        return _Bar(self._steps, left=count, later=count * max(0, self._rounds))


class _Bar:
    def __init__(self, steps: Steps, *, left: int, later: int) -> None:
        self._steps = steps
        self._left = left
        self._later = later

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing is drawn, so nothing is to be cleared."""

    def update(self, count: int = 1) -> None:
        for _ in range(count):
            self._left = max(0, self._left - 1)
            self._steps.step(left=self._left + self._later)

    def set_description(self, *_words: object) -> None:
        """Nothing is drawn."""

    set_postfix = set_description

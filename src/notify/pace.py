"""How long until the answer, told from steps that were measured: of this job, and of earlier jobs
of its model in this worker.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from dataclasses import astuple
from statistics import median
from types import TracebackType
from typing import Self

from ..generation import Stage
from .course import Course, Rates

#: How many jobs of a model are remembered, and of how many models.
_JOBS = 8
_MODELS = 64


class Pace:
    """Knows how fast models are, and who has the GPU or is in the line for it."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_gpu: Collection[Stage] = (Stage.LOAD, Stage.GENERATE, Stage.ENCODE),
    ) -> None:
        """`on_gpu` are the stages in which a job keeps the GPU from others."""
        self._on_gpu = frozenset(on_gpu)
        self._board = _Board(clock)

    def job(self, model: str, *, work: int, steps: int) -> PaceOfJob:
        """A job, to be used in a `with`: what it took is learnt if that ends without an error.

        `work` is width x height x frames; `steps` how many denoising steps are expected.
        """
        course = Course(work=max(1, work), steps=steps, on_gpu=self._on_gpu)
        return PaceOfJob(self._board, model, course)


class PaceOfJob:
    """How fast one job is; all of it may be called from any thread."""

    def __init__(self, board: _Board, model: str, course: Course) -> None:
        """Made by Pace.job."""
        self._board = board
        self._model = model
        self._course = course

    def __enter__(self) -> Self:
        """Be seen by those who wait."""
        with self._board.lock:
            self._board.jobs[self._course] = self._model
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Be in nobody's way any more; a job that went wrong teaches nothing."""
        with self._board.lock:
            self._board.jobs.pop(self._course, None)
            if kind is None and (rates := self._course.measured(self._board.clock())):
                self._board.learn(self._model, rates)

    def stage(self, stage: Stage) -> None:
        """The job enters a stage."""
        with self._board.lock:
            self._course.enter(stage, self._board.clock())

    def step(self, done: int, total: int) -> None:
        """So many denoising steps are done, of so many as are expected by now."""
        with self._board.lock:
            self._course.step(done, total, self._board.clock())

    def eta(self) -> float | None:
        """Seconds until the answer, or None where nothing tells; 0 when it should be there."""
        with self._board.lock:
            now = self._board.clock()
            left = self._course.left(self._board.known(self._model), now)
            if left is None or not self._course.needs_gpu:
                return left
            return left + self._board.ahead_of(self._course, now)


class _Board:
    """What all jobs share; for who holds the lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        #: The jobs under way, and their models.
        self.jobs: dict[Course, str] = {}
        self._rates: OrderedDict[str, deque[Rates]] = OrderedDict()

    def known(self, model: str) -> Rates | None:
        """The middle of what the last jobs of a model took."""
        jobs = self._rates.get(model)
        if not jobs:
            return None
        return Rates(*(median(values) for values in zip(*map(astuple, jobs), strict=True)))

    def learn(self, model: str, rates: Rates) -> None:
        """Remember what one more job took; the model that nobody used for longest is forgotten."""
        self._rates.setdefault(model, deque(maxlen=_JOBS)).append(rates)
        self._rates.move_to_end(model)
        if len(self._rates) > _MODELS:
            self._rates.popitem(last=False)

    def ahead_of(self, course: Course, now: float) -> float:
        """Seconds until the GPU is free for this job, as far as they are known."""
        return sum(
            other.gpu_left(self.known(model), now) or 0.0
            for other, model in self.jobs.items()
            if other is not course and other.is_ahead_of(course)
        )

"""What one job has gone through and when, and what is left of it. Arithmetic: no clock, no lock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from ..generation import Stage

#: How many of the last steps say what a step takes; the middle one counts.
_STEPS = 5


@dataclass(frozen=True)
class Rates:
    """What jobs of a model take. Work is width x height x frames."""

    #: Seconds of a step, per work.
    step: float
    #: Seconds that the first step takes longer: prompts are encoded before it.
    lead: float
    #: Seconds from the last step until the GPU is free, per work.
    hold: float
    #: Seconds from then until the answer, per work.
    rest: float


class Course:
    """One job's way. Every `now` is in seconds of one clock."""

    def __init__(self, *, work: int, steps: int, on_gpu: frozenset[Stage]) -> None:
        """`on_gpu` are the stages in which a job keeps the GPU from others."""
        self.stage = Stage.FETCH
        self._work = work
        self._done = 0
        self._total = steps
        self._on_gpu = on_gpu
        self._waits_since = 0.0
        #: When the steps began, when the first and the last of them ended, and when the GPU
        #: was free again.
        self._began: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._released: float | None = None
        #: Seconds of the last steps, but for the first, which is not like the others.
        self._steps: deque[float] = deque(maxlen=_STEPS)

    def enter(self, stage: Stage, now: float) -> None:
        """The job enters a stage."""
        if self.has_gpu and stage not in self._on_gpu:
            self._released = now
        if stage is Stage.GENERATE:
            self._began = now
        if stage is Stage.WAIT:
            self._waits_since = now
        self.stage = stage

    def step(self, done: int, total: int, now: float) -> None:
        """So many steps are done, of so many as are expected by now."""
        if self._last is None:
            self._first = now
        else:
            self._steps.append(now - self._last)
        self._last = now
        self._done, self._total = done, total

    @property
    def has_gpu(self) -> bool:
        """Whether it keeps the GPU from others."""
        return self.stage in self._on_gpu

    @property
    def needs_gpu(self) -> bool:
        """Whether it has yet to get the GPU."""
        return self.stage in (Stage.FETCH, Stage.WAIT)

    def is_ahead_of(self, other: Course) -> bool:
        """Whether it has the GPU, or is in the line for it before another that needs it."""
        if self.stage is Stage.WAIT and other.stage is Stage.WAIT:
            return self._waits_since < other._waits_since
        return self.has_gpu or self.stage is Stage.WAIT

    def gpu_left(self, rates: Rates | None, now: float) -> float | None:
        """Seconds of the GPU that it will still take."""
        steps = self._steps_left(rates, now)
        return None if steps is None else steps + self._hold_left(rates, now)

    def left(self, rates: Rates | None, now: float) -> float | None:
        """Seconds from getting the GPU to the answer.

        None where neither this job nor an earlier one tells; what only an earlier one could
        tell, the time after the last step, is left out where there was none.
        """
        if rates is None and self._done >= self._total:
            return None
        gpu = self.gpu_left(rates, now)
        return None if gpu is None else gpu + self._rest_left(rates, now)

    def measured(self, now: float) -> Rates | None:
        """What a job that is answered took, if it went through all of its steps."""
        began, first, last = self._began, self._first, self._last
        if began is None or first is None or last is None or self._done < self._total:
            return None
        released = now if self._released is None else self._released
        each = (last - first) / (self._done - 1) if self._done > 1 else first - began
        return Rates(
            step=each / self._work,
            lead=max(0.0, first - began - each),
            hold=max(0.0, released - last) / self._work,
            rest=max(0.0, now - released) / self._work,
        )

    def _steps_left(self, rates: Rates | None, now: float) -> float | None:
        left = self._total - self._done
        if left <= 0:
            return 0.0
        each = self._step_seconds(rates)
        if each is None:
            return None
        lead = rates.lead if rates and self._last is None else 0.0
        # A step that takes longer than steps do makes those after it no shorter.
        step_began = self._began if self._last is None else self._last
        return lead + left * each - min(_since(step_began, now), lead + each)

    def _step_seconds(self, rates: Rates | None) -> float | None:
        if self._steps:
            return median(self._steps)
        if rates:
            return rates.step * self._work
        if self._first is not None and self._began is not None:
            return self._first - self._began
        return None

    def _hold_left(self, rates: Rates | None, now: float) -> float:
        if rates is None or self._released is not None:
            return 0.0
        steps_ended = self._last if self._done >= self._total else None
        return max(0.0, rates.hold * self._work - _since(steps_ended, now))

    def _rest_left(self, rates: Rates | None, now: float) -> float:
        if rates is None:
            return 0.0
        return max(0.0, rates.rest * self._work - _since(self._released, now))


def _since(then: float | None, now: float) -> float:
    return 0.0 if then is None else now - then

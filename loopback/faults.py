"""What a test can have go wrong on the platform's side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Faults:
    """Faults in taking what a worker posts; may be changed at any time, also while it runs."""

    #: Seconds that each progress update hangs before it takes effect and is answered.
    slow_progress: float = 0.0
    #: The same for results.
    slow_results: float = 0.0
    #: So many progress updates to come are answered with 500 and have no effect.
    failing_progress: int = 0
    #: The same for results.
    failing_results: int = 0
    #: So many results to come take effect and are answered with 500 all the same, as when the
    #: answer is lost on the way: the worker cannot know.
    unanswered_results: int = 0

    def delay(self, kind: str) -> float:
        """Seconds to hang for one of this kind."""
        return {"progress": self.slow_progress, "result": self.slow_results}.get(kind, 0.0)

    def fails(self, kind: str) -> bool:
        """Whether this one has no effect; counts it."""
        if kind == "progress" and self.failing_progress > 0:
            self.failing_progress -= 1
            return True
        if kind == "result" and self.failing_results > 0:
            self.failing_results -= 1
            return True
        return False

    def loses_answer(self, kind: str) -> bool:
        """Whether this one takes effect but is answered as if it had not; counts it."""
        if kind == "result" and self.unanswered_results > 0:
            self.unanswered_results -= 1
            return True
        return False

"""Whether clips show what was asked for, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from .measuring import Frames, Seen, measure, measure_two
from .scenes import Scene


@dataclass
class Score:
    """What was right of how many."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, right: bool) -> None:
        """One more."""
        self.asked[what] += 1
        self.right[what] += right

    def share(self, what: str) -> float:
        """Of those asked for; raises ZeroDivisionError for what was never asked."""
        return self.right[what] / self.asked[what]

    def lines(self) -> Iterator[str]:
        """One for each thing, in the order of asking."""
        for what, asked in self.asked.items():
            yield f"{what}: {self.right[what]} of {asked} ({self.share(what):.1%})"


def judge(score: Score, asked: Scene, frames: Frames) -> None:
    """Count a clip's color, motion and shape; of two figures, both must be right."""
    of_two = len(asked.figures) == 2
    seen: tuple[Seen | None, ...] = measure_two(frames) if of_two else (measure(frames),)
    right = {
        "color": all(
            one is not None and one.color == figure.color
            for figure, one in zip(asked.figures, seen, strict=True)
        ),
        "motion": all(one is not None and one.motion == asked.motion for one in seen),
        "shape": all(
            one is not None and one.shape == figure.shape
            for figure, one in zip(asked.figures, seen, strict=True)
        ),
    }
    for what, is_right in right.items():
        score.count(what, is_right)
        score.count(f"{what} of {'two' if of_two else 'one'}", is_right)
    if not of_two:
        score.count(f"motion {asked.motion}", right["motion"])
        score.count(f"shape {asked.figures[0].shape}", right["shape"])

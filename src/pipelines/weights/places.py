"""Where weights may lie: the image, the platform's cache, a volume; the first that has them.

Each place is a folder with <owner>/<name> in it, in diffusers' layout. Knows no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: What shows that something was put there: diffusers' or transformers' layout, or bare weights.
LAYOUTS = ("model_index.json", "config.json", "*.safetensors", "*/*.safetensors")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder of repositories, in MODELS_DIR's layout."""

    folder: Path
    #: How weights got there, in a word.
    how: str = "baked"
    #: The setting that names it.
    setting: str = "MODELS_DIR"
    #: The folder that an operator knows, where this one only holds links into that.
    stands_for: Path | None = None

    def __str__(self) -> str:
        return f"{(self.stands_for or self.folder).absolute()} ({self.setting})"


class Places:
    """Sources of weights in their order, behind what looks like one folder."""

    def __init__(self, first: Place, *others: Place) -> None:
        """Where nothing has a repository, the first is where it would lie."""
        self.baked = first
        self._all = (first, *others)

    def folder(self, repo: str) -> Path:
        """Where a repository's weights lie, or would lie."""
        return self.of(repo).folder / repo

    def of(self, repo: str) -> Place:
        """The place that has a repository, or would have it."""
        return next(filter(lambda place: is_there(place.folder / repo), self._all), self.baked)

    def __str__(self) -> str:
        return ", ".join(map(str, self._all))


def is_there(path: Path) -> bool:
    """Whether something was put into a repository's folder."""
    return any(next(path.glob(layout), None) for layout in LAYOUTS)

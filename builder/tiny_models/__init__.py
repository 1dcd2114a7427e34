"""Tiny models of random weights, laid out as baked ones: MODELS_DIR/<owner>/<name>.

They are made from the real classes and keep the published block structure, since the rules
for sizes and frames follow from it; only widths and depths are small. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tqdm import tqdm

from src.manifest import ModelEntry

from . import animatediff, cogvideox, stable_video_diffusion
from .shelf import Part, put

__all__ = ["FAMILIES", "build_models"]

#: What each family is made of: repository -> its content.
FAMILIES: dict[str, Callable[[ModelEntry], dict[str, Part]]] = {
    "animatediff": animatediff.parts,
    "cogvideox": cogvideox.parts,
    "stable_video_diffusion": stable_video_diffusion.parts,
}


def build_models(folder: Path, entries: Iterable[ModelEntry]) -> list[str]:
    """Write every repository that the models need, and name those that were not there yet."""
    parts = {
        repo: part for entry in entries for repo, part in FAMILIES[entry.family](entry).items()
    }
    progress = tqdm(parts.items(), desc="tiny models", unit="repo")
    return [repo for repo, part in progress if put(folder, repo, part)]

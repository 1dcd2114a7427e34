"""Tiny models of random weights, laid out as baked ones: MODELS_DIR/<owner>/<name>.

They are made from the real classes and keep the published block structure, since the rules
for sizes and frames follow from it; only widths and depths are small. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from src.manifest import ModelEntry

from .shelf import Part, put

__all__ = ["parts_of", "build_models"]


def parts_of(entry: ModelEntry) -> dict[str, Part]:
    """What a model is made of, repository -> content, by the file named after its family."""
    family = import_module(f".{entry.family}", __name__)
    parts: dict[str, Part] = family.parts(entry)
    return parts


def build_models(folder: Path, entries: Iterable[ModelEntry]) -> list[str]:
    """Write every repository that the models need, and name those that were not there yet."""
    parts = {repo: part for entry in entries for repo, part in parts_of(entry).items()}
    progress = tqdm(parts.items(), desc="tiny models", unit="repo")
    return [repo for repo, part in progress if put(folder, repo, part)]

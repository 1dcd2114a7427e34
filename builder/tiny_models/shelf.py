"""The folder that holds models: what is there already, and how more gets there in one step."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from .weights import seeded


class Savable(Protocol):
    """What diffusers can write to a folder: a pipeline or a model."""

    def save_pretrained(self, save_directory: Path, *, safe_serialization: bool) -> object:
        """Write weights and configurations."""


#: Makes one repository's content.
Part = Callable[[], Savable]
#: Says what a folder was made with.
STAMP = "tiny-model.txt"


def put(folder: Path, repo: str, part: Part) -> bool:
    """Write a repository's content to folder/<owner>/<name>, or leave what is there and current.

    It appears complete or not at all. True if it was written.
    """
    target = folder / repo
    stamp = target / STAMP
    if stamp.is_file() and stamp.read_text("utf-8") == recipe():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".making-", dir=target.parent) as beside:
        made = Path(beside, target.name)
        with seeded(repo):
            part().save_pretrained(made, safe_serialization=True)
        (made / STAMP).write_text(recipe(), "utf-8")
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return True


def recipe() -> str:
    """A line that changes with this package's code and the libraries that it builds from."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    libraries = " ".join(
        f"{name}={version(name)}" for name in ("torch", "diffusers", "transformers")
    )
    return f"{digest.hexdigest()[:16]} {libraries}\n"

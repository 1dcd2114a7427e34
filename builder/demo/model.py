"""The model's folder, in diffusers' layout and half precision, as the worker reads it."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers import LTXConditionPipeline

#: What all weights together may take, in bytes.
MOST_BYTES = 16_000_000


def write(pipeline: LTXConditionPipeline, folder: Path) -> int:
    """Put the pipeline there in place of what was; gives the weights' size in bytes.

    Raises ValueError where they are too large for a repository to carry.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".making-", dir=folder.parent) as beside:
        made = Path(beside, "model")
        pipeline.to(dtype=torch.float16).save_pretrained(made, safe_serialization=True)
        files = list(made.rglob("*.safetensors"))
        size = sum(file.stat().st_size for file in files)
        if size > MOST_BYTES:
            raise ValueError(f"{size} bytes of weights, above {MOST_BYTES}")
        for file in files:
            file.chmod(0o644)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return size

"""Contact sheets: a row of frames for each clip, with what was asked for above it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from .measuring import Frames

COLUMNS = 6
#: Above each row, for its words.
LINE = 14
PROMPTS = (
    "a red circle moving left on a black background",
    "a blue star that rises on a white background",
    "a small yellow square falls on a brown background",
    "a large green triangle rotating on a gray background",
    "a purple star growing, on black",
    "an orange ball bouncing up and down on a white background",
    "a pink square stands still on gray",
    "a cyan circle and a red square, both moving up on a black background",
)


def write(path: Path, rows: Iterable[tuple[str, Frames]]) -> None:
    """Put the clips, each with its words, on one sheet, in two columns."""
    strips = [_strip(words, frames) for words, frames in rows]
    half = (len(strips) + 1) // 2
    columns = [_stacked(part) for part in (strips[:half], strips[half:]) if part]
    height = max(len(column) for column in columns)
    sheet = np.concatenate([_padded(column, height) for column in columns], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)


def samples(pipeline: Any, *, steps: int = 16, guidance: float = 3.0) -> list[tuple[str, Frames]]:
    """What the pipeline makes of the sheet's prompts, one seed for all."""
    made = pipeline(
        prompt=list(PROMPTS),
        width=128,
        height=128,
        num_frames=17,
        frame_rate=8,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).frames
    frames = (np.asarray(made) * 255).round().astype(np.uint8)
    return list(zip(PROMPTS, frames, strict=True))


def pairs(shown: torch.Tensor, made: torch.Tensor) -> list[tuple[str, Frames]]:
    """Clips and what an autoencoder made of them, shape (count, 3, T, height, width), -1 to 1."""
    rows = []
    for one, other in zip(shown, made, strict=True):
        rows += [("drawn", as_frames(one)), ("decoded", as_frames(other))]
    return rows


def as_frames(clip: torch.Tensor) -> Frames:
    """A clip of shape (3, T, height, width), -1 to 1, as frames."""
    values: Frames = ((clip.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).numpy()
    return values


def _strip(words: str, frames: Frames) -> Frames:
    """Frames from the first to the last side by side, below the words."""
    places = np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int)
    row = np.concatenate([np.pad(frames[place], ((0, 2), (0, 2), (0, 0))) for place in places], 1)
    head = Image.new("RGB", (row.shape[1], LINE), "white")
    ImageDraw.Draw(head).text((2, 1), words, fill="black")
    strip: Frames = np.concatenate([np.asarray(head), row])
    return strip


def _stacked(strips: Sequence[Frames]) -> Frames:
    stacked: Frames = np.concatenate(list(strips))
    return stacked


def _padded(column: Frames, height: int) -> Frames:
    padded: Frames = np.pad(
        column, ((0, height - len(column)), (0, 8), (0, 0)), constant_values=255
    )
    return padded

"""`python -m builder.demo.picture`: the README's first picture, of clips that the worker made."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from .evaluate import MODEL
from .measuring import Frames
from .scenes import scene
from .serving import HEIGHT, WIDTH, Guide, Product, frames_of

PICTURE = Path("docs/demo.gif")
COLUMNS = 4
#: Around and between clips, and below each for its words, in pixels.
GAP, FOOT, LINE = 12, 56, 14
LETTERS = 12
COLORS = 128
#: Milliseconds a frame, and before it begins anew.
PACE, REST = 125, 900
STRENGTH = 0.6


@dataclass(frozen=True)
class Cell:
    """One clip: the words below it and the prompt, the same unless the task has to be told."""

    prompt: str
    words: str = ""
    guide: Guide | None = None
    strength: float | None = None


def main() -> None:
    """Make the clips and write the picture."""
    parser = ArgumentParser(prog="python -m builder.demo.picture", description=main.__doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help="the model's folder")
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    with TemporaryDirectory() as folder:
        worker = Product(wanted.model, Path(folder))
        clips = [_made(worker, cell, wanted.seed) for cell in tqdm(cells(), unit="clip")]
    write(wanted.out, [(cell.words or cell.prompt, made) for cell, made in clips])
    print(wanted.out)


def cells() -> list[Cell]:
    """What the picture shows: a row of texts, and a row of images, a video and two figures."""
    begins, ends = _drawn("star", "purple", "up", "black")[[0, -1]]
    source = _drawn("circle", "blue", "right", "white")
    return [
        Cell("a red star moves to the right on a black background"),
        Cell("a blue ball bounces on a white background"),
        Cell("an orange triangle grows on a gray background"),
        Cell("a green square rotates on a black background"),
        Cell("a star moving down", "its first frame and “a star moving down”", Guide(first=ends)),
        Cell("a star rises", "its first and its last frame", Guide(first=begins, last=ends)),
        Cell(
            "a red square moving to the right on a white background",
            "a blue circle's video and “a red square ...”",
            Guide(video=source),
            STRENGTH,
        ),
        Cell("a yellow star and a pink ball, both falling, on a black background"),
    ]


def write(path: Path, clips: list[tuple[str, Frames]]) -> None:
    """Put the clips side by side, each above its words, as an animated gif."""
    sheets = _of_few_colors(list(_sheets(clips)))
    path.parent.mkdir(parents=True, exist_ok=True)
    paces = [PACE] * (len(sheets) - 1) + [REST]
    sheets[0].save(path, save_all=True, append_images=sheets[1:], duration=paces, loop=0)


def _made(worker: Product, cell: Cell, seed: int) -> tuple[Cell, Frames]:
    strength = {} if cell.strength is None else {"strength": cell.strength}
    return cell, worker.make(cell.prompt, cell.guide, seed=seed, **strength)


def _drawn(shape: str, color: str, motion: str, ground: str) -> Frames:
    chance = np.random.default_rng(5)
    shown = scene(chance, shapes=[shape], colors=[color], motion=motion, background=ground)
    return frames_of(shown)


def _sheets(clips: list[tuple[str, Frames]]) -> Iterator[Image.Image]:
    """One picture a frame."""
    rows = -(-len(clips) // COLUMNS)
    size = (GAP + COLUMNS * (WIDTH + GAP), GAP + rows * (HEIGHT + FOOT))
    empty = Image.new("RGB", size, "white")
    places = [
        (GAP + place % COLUMNS * (WIDTH + GAP), GAP + place // COLUMNS * (HEIGHT + FOOT))
        for place in range(len(clips))
    ]
    for (words, _), (x, y) in zip(clips, places, strict=True):
        _write_below(empty, words, x, y + HEIGHT + 4)
    for index in range(max(len(frames) for _, frames in clips)):
        sheet = empty.copy()
        for (_, frames), place in zip(clips, places, strict=True):
            sheet.paste(Image.fromarray(frames[min(index, len(frames) - 1)]), place)
        yield sheet


def _of_few_colors(sheets: list[Image.Image]) -> list[Image.Image]:
    """The same colors in all of them, or plain areas would flicker."""
    ends = np.concatenate([np.asarray(sheet) for sheet in (sheets[0], sheets[-1])])
    palette = Image.fromarray(ends).quantize(COLORS)
    return [sheet.quantize(palette=palette, dither=Image.Dither.NONE) for sheet in sheets]


def _write_below(sheet: Image.Image, words: str, x: int, y: int) -> None:
    font = ImageFont.load_default(LETTERS)
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    for number, line in enumerate(lines):
        ImageDraw.Draw(sheet).text((x, y + number * LINE), line, fill="#333", font=font)


if __name__ == "__main__":
    main()

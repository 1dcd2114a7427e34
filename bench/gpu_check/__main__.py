"""`python -m bench.gpu_check`: every family, setting by setting, each in a process of its own.

Without CUDA the tiny models run in this process instead: that tries the check, not the speed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from src.manifest import ModelEntry, load_manifest
from src.pipelines import acceleration
from src.pipelines.loader import quieten_libraries

from . import cases, report, weights
from .report import Row
from .run import Bench

TINY_SIZE = (64, 64, 5)
#: Enough that every cache has come to skip some.
STEPS = 8


def main(words: Sequence[str] | None = None) -> int:
    """Try what is asked for, print the table, write the JSON; 0 when nothing breaks or slows."""
    wanted = _wanted(words)
    quieten_libraries()
    if wanted.one:
        print(json.dumps(report.as_json([_row(wanted, *wanted.one)])[0]))
        return 0
    rows: list[Row] = []
    for entry in cases.models(load_manifest(), wanted.models):
        mine = list(_rows(wanted, entry))
        if wanted.device == "cuda":  # seconds of a tiny model are noise
            report.judge(mine)
        rows += mine
    print(report.table(rows))
    _write(wanted, rows)
    return 1 if any(row.fails for row in rows) else 0


def _wanted(words: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m bench.gpu_check", description=main.__doc__)
    parser.add_argument("--models", nargs="*", default=[], help="ids; one of each family without")
    parser.add_argument("--cases", nargs="*", default=cases.CASES, choices=cases.CASES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--size", help="such as 832x480x81; the model's defaults without")
    parser.add_argument("--folder", type=Path, help="where weights are written; a folder in out/")
    parser.add_argument("--json", type=Path, default=Path("out/gpu-check.json"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default=_device())
    parser.add_argument("--keep", action="store_true", help="leave the weights on the disk")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "CASE"), help="used by itself")
    wanted = parser.parse_args(words)
    tiny = wanted.device == "cpu"
    wanted.folder = wanted.folder or Path("out/tiny-models" if tiny else "out/gpu-check-models")
    wanted.size = tuple(map(int, wanted.size.split("x"))) if wanted.size else None
    wanted.words = list(sys.argv[1:] if words is None else words)
    return wanted


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _rows(wanted: Namespace, entry: ModelEntry) -> Iterator[Row]:
    """Each case of one model; its weights are gone from the disk after."""
    if wanted.device == "cpu":
        from builder.tiny_models import build_models

        build_models(wanted.folder, [entry])
    for case in wanted.cases:
        row = (
            _child(wanted, entry, case) if wanted.device == "cuda" else _row(wanted, entry.id, case)
        )
        print(f"{entry.id}, {case}: {row.verdict} {row.note}".rstrip(), file=sys.stderr)
        yield row
    if wanted.device == "cuda" and not wanted.keep:
        shutil.rmtree(wanted.folder / entry.repo, ignore_errors=True)


def _child(wanted: Namespace, entry: ModelEntry, case: str) -> Row:
    """The case in a process of its own, so that one that breaks the GPU breaks no other."""
    command = [sys.executable, "-m", "bench.gpu_check", *wanted.words, "--one", entry.id, case]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        return Row(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        note = f"its process ended with {done.returncode}"
        return Row(model=entry.id, family=entry.family, case=case, verdict="broken", note=note)


def _row(wanted: Namespace, model: str, case: str) -> Row:
    entry = load_manifest().find(model)
    row = Row(model=entry.id, family=entry.family, case=case)
    try:
        bench = _bench(wanted, entry, row)
        row.figures = bench.figures(case)
    except LookupError as error:
        row.verdict, row.note = "skipped", str(error)
    except Exception as error:  # whatever breaks is what is looked for
        _, refused, reason = str(error).partition(".acceleration: ")
        row.verdict = "refused" if refused else "broken"
        row.note = reason or f"{type(error).__name__}: {error}".splitlines()[0]
    return row


def _bench(wanted: Namespace, entry: ModelEntry, row: Row) -> Bench:
    bench = Bench(
        entry=entry,
        device=wanted.device,
        steps=wanted.steps,
        size=wanted.size,
        folder=wanted.folder,
    )
    if wanted.device == "cpu":
        acceleration.COMPILER = "eager"  # a compiler takes a minute for each; tracing is tried
        bench.size = wanted.size or TINY_SIZE
        return bench
    make = weights.maker(entry)
    size = weights.published_bytes(entry, make)
    if weights.is_written(entry, wanted.folder) or weights.fits_on_disk(wanted.folder, size):
        device = "cuda" if weights.fits_on_gpu(size) else "cpu"
        bench.entry = weights.write(entry, make, wanted.folder, device)
        torch.cuda.empty_cache()
    else:
        row.note = f"not loaded but made in memory: no room for {size / 1e9:.0f} GB on the disk"
        bench.make = make
    return bench


def _write(wanted: Namespace, rows: Sequence[Row]) -> None:
    import diffusers

    gpu = torch.cuda.get_device_name() if wanted.device == "cuda" else "cpu"
    content = {
        "device": gpu,
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "steps": wanted.steps,
        "rows": report.as_json(rows),
    }
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    wanted.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())

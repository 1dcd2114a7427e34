"""`make bench`: every comparison in one run, each case in a process of its own, in turns."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from . import cold_start, tensor_to_file, throughput, whole_job

ROUNDS = 3
MODELS = Path("out/bench-models")
TRUTH = MODELS / "truth.npy"

Figures = dict[str, float]


def main() -> None:
    """Measure and print."""
    from .mid_size import write_model

    write_model(MODELS)
    cold_start.write_tiny(MODELS)
    _child("bench.whole_job", "truth", str(MODELS), str(TRUTH))
    encoding = rounds("bench.tensor_to_file", list(tensor_to_file.CASES))
    lines = rounds("bench.throughput", list(throughput.CASES))
    jobs = rounds("bench.whole_job", list(whole_job.CASES), str(MODELS), str(TRUTH))
    starts = cold_starts()
    print(
        f"\nTensor to file: float32 frames of 832x480, 81 to an mp4 or {tensor_to_file.GIF_FRAMES} "
        f"to a gif; medians of {ROUNDS} rounds in turns\n"
    )
    print(encoding_table(encoding))
    print(
        f"\nA whole job: AnimateDiff with 1.4 GB of random weights, {whole_job.FRAMES} frames of "
        f"{whole_job.WIDTH}x{whole_job.HEIGHT}, {whole_job.STEPS} steps\n"
    )
    print(job_table(jobs))
    print(
        f"\nThroughput: {throughput.JOBS} jobs that wait, {throughput.GENERATE:g} s on the GPU "
        f"and {throughput.ENCODE_AND_UPLOAD:g} s of encoding and upload, through the SDK's loop\n"
    )
    print(throughput.table(lines))
    for (size, cache), runs in starts.items():
        print(f"\nCold start: {size} model, page cache {cache}, to the first job's answer\n")
        print(cold_start.table(runs))


def cold_starts() -> dict[tuple[str, str], dict[str, list[Figures]]]:
    """Starts by the model's size and the page cache; the first of each is not counted."""
    found = {}
    for size, cache in itertools.product(cold_start.MODELS, ("warm", "cold")):
        cases = cold_start.CASES if cache == "warm" else cold_start.COLD_CASES
        for case in (cold_start.NAIVE, cold_start.OURS):
            _child("bench.cold_start", case, str(MODELS), size, "warm")
        found[size, cache] = rounds("bench.cold_start", cases, str(MODELS), size, cache)
    return found


def rounds(module: str, cases: Sequence[str], *arguments: str) -> dict[str, list[Figures]]:
    """Run each case in turn, several times over, so that a busy minute hits all alike."""
    figures: dict[str, list[Figures]] = {case: [] for case in cases}
    turns = [case for _ in range(ROUNDS) for case in cases]
    for case in tqdm(turns, desc=module, unit="run"):
        figures[case].append(json.loads(_child(module, case, *arguments)))
    return figures


def encoding_table(figures: dict[str, list[Figures]]) -> str:
    """Speed of ours against each stock way, with PSNR, bytes and memory beside it."""
    lines = ["| path | seconds | ours is faster by | PSNR dB | bytes | extra memory MB |"]
    lines.append("|---|---|---|---|---|---|")
    for case, runs in figures.items():
        own = "ours-gif" if case.endswith("gif") else "ours"
        ratio = _ratio(runs, figures[own], "seconds")
        lines.append(
            f"| {case} | {_median(runs, 'seconds'):.2f} | {ratio:.1f}x"
            f" | {_median(runs, 'psnr'):.2f}"
            f" | {_median(runs, 'bytes'):.0f} | {_median(runs, 'extra_mb'):.0f} |"
        )
    return "\n".join(lines)


def job_table(figures: dict[str, list[Figures]]) -> str:
    """The whole job, and what is left of it without denoising, against each script."""
    for runs in figures.values():
        for run in runs:
            run["rest"] = run["seconds"] - run["denoise"]
    lines = [
        "| who | whole s | denoising s | the rest s | worker's whole | worker's rest | PSNR dB"
    ]
    lines[0] += " | bytes | extra memory MB |"
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for case, runs in figures.items():
        whole = 1 / _ratio(runs, figures["worker"], "seconds")
        rest = 1 / _ratio(runs, figures["worker"], "rest")
        lines.append(
            f"| {case} | {_median(runs, 'seconds'):.2f} | {_median(runs, 'denoise'):.2f}"
            f" | {_median(runs, 'rest'):.2f} | {whole:.2f} of it | {rest:.2f} of it"
            f" | {_median(runs, 'psnr'):.2f} | {_median(runs, 'bytes'):.0f}"
            f" | {_median(runs, 'extra_mb'):.0f} |"
        )
    return "\n".join(lines)


def _ratio(runs: list[Figures], own: list[Figures], key: str) -> float:
    """The median over rounds of this case's figure over ours in the same round."""
    pairs = zip(runs, own, strict=True)
    return statistics.median(theirs[key] / ours[key] for theirs, ours in pairs)


def _median(runs: list[Figures], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _child(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()[-1] if done.stdout.strip() else ""


if __name__ == "__main__":
    main()

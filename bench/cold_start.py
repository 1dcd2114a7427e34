"""From a worker's process start to its first job's answer: ours against what most people write.

Both run the SDK's real loop against the platform on loopback, where a job already waits, on the
same model and with one thread of OpenMP each. With `cold`, the model's files and the installed
libraries are dropped from the system's page cache before, as far as no other process holds them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from loopback import Platform, Rules, WorkerProcess

from .mid_size import ADAPTER, ENTRY, REPO
from .without import MEASURES

NAIVE, OURS = "naive", "ours"
#: A small clip before the first job, which on a CPU spares that nothing.
WARMED = "ours, WARM_UP=true"
CASES = [NAIVE, OURS, WARMED, *MEASURES]
#: What may differ where files have to come from the disk.
COLD_CASES = [NAIVE, OURS, "weights read ahead"]

#: Folder under the bench's, repository, adapter, and the id of the manifest.
MODELS = {
    "tiny": ("tiny", "worker-video/tiny", "worker-video/tiny-motion-adapter", "tiny"),
    "mid-size": ("", REPO, ADAPTER, "bench"),
}
JOB: dict[str, Any] = {
    "prompt": "a fox playing ukulele on a boat",
    "width": 128,
    "height": 128,
    "num_frames": 4,
    "num_inference_steps": 1,
    "guidance_scale": 7.0,
    "fps": 8,
    "seed": 42,
}

Figures = dict[str, float]


def main(case: str, models: str, size: str, cache: str) -> Figures:
    """Start one worker and wait for its first answer."""
    folder, repo, adapter, model = MODELS[size]
    models_dir = Path(models, folder).absolute()
    if cache == "cold":
        _drop([models_dir / repo, models_dir / adapter, Path(sysconfig.get_path("purelib"))])
    with tempfile.TemporaryDirectory() as home, Platform(Rules(poll=5)) as platform:
        job = platform.submit(JOB | {"model_id": model})
        own = _own(Path(home), models_dir, model)
        own |= {"WARM_UP": "true"} if case == WARMED else {}
        arguments = _command(case, models_dir, repo, adapter)
        log = Path(home) / "log"
        started = time.monotonic()
        environment = platform.environment(**own)
        with WorkerProcess(Path.cwd(), environment, log, (sys.executable, *arguments)) as worker:
            worker.wait_for(job)
            seconds = time.monotonic() - started
            cpu = psutil.Process(worker.pid).cpu_times()
        if job.status != "COMPLETED":
            raise SystemExit(f"{case}: the job is {job.status}: {job.output}")
    return {"seconds": seconds, "cpu": cpu.user + cpu.system}


def write_tiny(models: Path) -> None:
    """Write the tiny model beside the mid-size one, if it is not there."""
    folder = models / MODELS["tiny"][0]
    if not folder.is_dir():
        command = [sys.executable, "-m", "builder.tiny_models", str(folder), "tiny"]
        subprocess.run(command, check=True)


def table(figures: Mapping[str, list[Figures]]) -> str:
    """Ours as a share of the naive worker's time, and what each measure leaves of it."""
    lines = ["| start | seconds | ours takes of that | of the processor's seconds |"]
    lines.append("|---|---|---|---|")
    for case, runs in figures.items():
        name = f"ours without: {case}" if case in MEASURES else case
        seconds = statistics.median(run["seconds"] for run in runs)
        shares = [_share(figures[OURS], runs, key) for key in ("seconds", "cpu")]
        lines.append(f"| {name} | {seconds:.2f} | {shares[0]:.2f} | {shares[1]:.2f} |")
    return "\n".join(lines)


def _share(ours: list[Figures], others: list[Figures], key: str) -> float:
    """The median over rounds of what ours takes of another's in the same round."""
    pairs = zip(ours, others, strict=True)
    return statistics.median(own[key] / other[key] for own, other in pairs)


def _command(case: str, models_dir: Path, repo: str, adapter: str) -> tuple[str, ...]:
    if case == NAIVE:
        return ("bench/naive_worker.py", str(models_dir), repo, adapter)
    return ("-m", "bench.without", case) if case in MEASURES else ("handler.py",)


def _own(home: Path, models_dir: Path, model: str) -> dict[str, str]:
    """Settings beyond the platform's; a naive worker has no use for most."""
    (home / "bench.toml").write_text(ENTRY)
    return {
        "HOME": str(home),
        "MODELS_DIR": str(models_dir),
        "DEFAULT_MODEL": model,
        "MANIFEST_PATH": str(home / "bench.toml"),
        "OUTPUT_DIR": str(home / "out"),
        "STATE_DIR": str(home / "state"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


def _drop(folders: list[Path]) -> None:
    """Have the system forget what it has read of the files below."""
    for path in (file for folder in folders for file in _files(folder)):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:5])) + "\n")

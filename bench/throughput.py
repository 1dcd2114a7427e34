"""Seconds a job through the SDK's real loop, when many wait: ours against a plain handler.

A job holds the GPU for a second, and then its video is encoded and uploaded for half a second;
both sleep in its stead, so that nothing is measured but who waits for whom.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loopback import Platform, Rules, WorkerProcess

GENERATE = 1.0
ENCODE_AND_UPLOAD = 0.5
JOBS = 12

#: Each case's concurrency; None for a script that gives the SDK a sync handler, and no door.
CASES: dict[str, int | None] = {"plain-handler": None, "concurrency-1": 1, "concurrency-2": 2}
OWN = "concurrency-2"

Job = Mapping[str, Any]
Figures = dict[str, float]


def main(case: str) -> Figures:
    """Have a worker do the jobs; seconds from the first that it took to the last delivered."""
    with tempfile.TemporaryDirectory() as folder, Platform(Rules(poll=10)) as platform:
        environment = platform.environment(HOME=folder)
        command = (sys.executable, "-m", __spec__.name, "work", case)
        with WorkerProcess(Path.cwd(), environment, Path(folder) / "log", command) as worker:
            platform.wait_for_worker()
            jobs = [platform.submit({}) for _ in range(JOBS)]
            for job in jobs:
                worker.wait_for(job)
    taken = min(job.taken_at or 0 for job in jobs)
    finished = max(job.finished_at or 0 for job in jobs)
    return {"seconds": (finished - taken) / JOBS}


def table(figures: Mapping[str, list[Figures]]) -> str:
    """Seconds a job of each case, and how many times as long as ours it takes."""
    lines = ["| worker | seconds a job | times as long |", "|---|---|---|"]
    for case, runs in figures.items():
        pairs = zip(runs, figures[OWN], strict=True)
        ratio = statistics.median(theirs["seconds"] / own["seconds"] for theirs, own in pairs)
        seconds = statistics.median(run["seconds"] for run in runs)
        lines.append(f"| {case} | {seconds:.2f} | {ratio:.2f}x |")
    return "\n".join(lines)


def work(case: str) -> None:
    """The worker of one case, in a process of its own."""
    concurrency = CASES[case]
    if concurrency is None:
        import runpod

        runpod.serverless.start({"handler": _plain})
        return
    from src.door import serve

    serve(_handler(), concurrency=concurrency)


def _plain(_job: Job) -> dict[str, Any]:
    time.sleep(GENERATE)
    time.sleep(ENCODE_AND_UPLOAD)
    return {}


def _handler() -> Callable[[Job], Any]:
    gpu = asyncio.Lock()

    async def handle(_job: Job) -> dict[str, Any]:
        async with gpu:
            await asyncio.to_thread(time.sleep, GENERATE)
        await asyncio.to_thread(time.sleep, ENCODE_AND_UPLOAD)
        return {}

    return handle


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(sys.argv[2])
    else:
        print(json.dumps(main(sys.argv[1])))

"""A handler without a model: does what the job's input names. Runs in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import runpod


async def echo(job: dict[str, Any]) -> Any:
    return job


async def fail(_job: dict[str, Any]) -> Any:
    raise RuntimeError("out of ideas")


async def say_error(job: dict[str, Any]) -> Any:
    return {"error": job["input"]["error"], "detail": 1}


async def sleep(job: dict[str, Any]) -> Any:
    await asyncio.sleep(job["input"]["seconds"])
    return "slept"


async def hang_once(job: dict[str, Any]) -> Any:
    """Never ends the first time, and at once when it is tried again."""
    if is_first_try(job["id"]):
        await asyncio.Event().wait()
    return "done"


def is_first_try(job_id: str) -> bool:
    """Whether no worker in this folder has asked so before."""
    try:
        Path(f"{job_id}.tried").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


async def update(job: dict[str, Any]) -> Any:
    runpod.serverless.progress_update(job, "half")
    await asyncio.sleep(job["input"].get("seconds", 0))
    return "updated"


async def big(job: dict[str, Any]) -> Any:
    return "x" * job["input"]["bytes"]


async def refresh(_job: dict[str, Any]) -> Any:
    return {"refresh_worker": True, "a": 1}


async def leak(_job: dict[str, Any]) -> Any:
    return leave_children()


def leave_children() -> int:
    """A process that ended and was not waited for, and one that runs; both go with the worker."""
    subprocess.Popen([sys.executable, "-c", "pass"])
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return os.getpid()


def never_fit() -> None:
    raise RuntimeError("no GPU today")


async def handler(job: dict[str, Any]) -> Any:
    return await globals()[job["input"]["do"]](job)


async def stream(job: dict[str, Any]) -> Any:
    for chunk in job["input"]["chunks"]:
        yield chunk


if __name__ == "__main__":
    config: dict[str, Any] = {"handler": stream if "--stream" in sys.argv else handler}
    if "--concurrency" in sys.argv:
        config["concurrency_modifier"] = lambda _: 4
    if "--unfit" in sys.argv:
        runpod.serverless.register_fitness_check(never_fit)
    runpod.serverless.start(config)

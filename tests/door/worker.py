"""A worker with nothing behind its door: its jobs sleep, and do what they are told.

Run as a process of its own; DOOR holds, as JSON, what `serve` is given, and what `main` says.
"""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from src.door import Refresh, leave_on_sigterm, serve
from src.door.intake import Scaler
from src.errors import ServiceError
from src.logs import job_scope, set_up

refresh = Refresh()
at_work: list[str] = []


async def handle(job: Mapping[str, Any]) -> dict[str, Any]:
    """Sleep `seconds`; `refresh` asks for a new worker, `hang` leaves a thread behind."""
    asked = job["input"]
    at_work.append(job["id"])
    try:
        with job_scope(job["id"]):
            if asked.get("hang"):
                asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
            if asked.get("refresh"):
                refresh.ask()
            seen = len(at_work)
            await asyncio.sleep(asked.get("seconds", 0))
            return {"at_once": max(seen, len(at_work))}
    finally:
        at_work.remove(job["id"])


def bad() -> None:
    raise ServiceError("BUCKET_NAME\nis 'films', which is not there")


def slow(seconds: float) -> None:
    print("not open yet", flush=True)  # noqa: T201
    time.sleep(seconds)


def in_a_thread(seconds: float) -> None:
    """As a model is loaded: Python waits for such a thread before it ends."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(slow, seconds).result()


def main() -> None:
    options = json.loads(os.environ.get("DOOR", "{}"))
    set_up("DEBUG", "text", on_platform=True)
    leave_on_sigterm()
    if "before" in options:
        slow(options.pop("before"))
    if "lacking" in options:
        Scaler.__annotations__[options.pop("lacking")] = object
    checks = {"fine": lambda: None}
    checks |= {"bucket": bad} if options.pop("bad", False) else {}
    seconds = options.pop("slow", 0)
    checks |= {"slow": lambda: slow(seconds)} if seconds else {}
    loading = options.pop("loading", 0)
    checks |= {"loading": lambda: in_a_thread(loading)} if loading else {}
    drained = lambda: print("told of the drain", flush=True)  # noqa: E731, T201
    serve(handle, refresh=refresh, on_drain=drained, checks=checks, **options)


if __name__ == "__main__":
    main()

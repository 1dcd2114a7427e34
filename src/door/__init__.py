"""The door: life with the platform's SDK, from the first check to the last job delivered.

Only this package and the bell know the SDK. It is imported where it is used: that takes seconds.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from ..startup import since_start, tell
from .fitness import Check, register
from .intake import Intake, Scaler, unlike
from .refresh import Refresh
from .sdk import import_sdk
from .watchdog import end_by_force

__all__ = ["Refresh", "import_sdk", "leave_on_sigterm", "serve"]

log = logging.getLogger(__name__)

LEFT_ALONE = "the SDK is not as expected and is left alone; missing: %s"

#: Seconds that threads have to end once the worker is told to go before its first job.
LOADING_GRACE = 2.0

Handler = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


def serve(
    handle: Handler,
    *,
    concurrency: int = 1,
    checks: Mapping[str, Check] | None = None,
    refresh: Refresh | None = None,
    on_drain: Callable[[], None] = lambda: None,
    grace: float = 1.0,
    patience: float = 60.0,
    sdk_log_level: str = "INFO",
) -> None:
    """Do jobs until the platform says stop; in the SDK's local modes, do what it was started for.

    At most `concurrency` jobs are at work at once. After SIGTERM or SIGINT an open poll may bring a
    job for another `grace` seconds; then `on_drain` is called once, in a thread, and this returns
    when all jobs are delivered. A process that is still there `patience` seconds after that, or
    after a refresh was asked for, is ended with exit code 1.
    """
    runpod = import_sdk()
    # At its own default, DEBUG, the SDK prints whole results, with their signed links.
    runpod.RunPodLogger.level = sdk_log_level.upper()
    config: dict[str, Any] = {"handler": handle, "concurrency_modifier": lambda _: concurrency}
    refresh = refresh or Refresh()
    refresh.then(lambda: config.update(refresh_worker=True))

    def replace() -> None:
        config["refresh_worker"] = True  # the SDK looks when a job is done, and then ends
        end_by_force(after=patience)

    def attach(scaler: Scaler) -> None:
        # It is made when every check has passed, and asks for a job at once.
        tell("ready", since_start())
        if missing := unlike(scaler):
            log.warning(LEFT_ALONE, missing)
            refresh.then(replace)
            return
        intake = Intake(
            scaler,
            concurrency=concurrency,
            grace=grace,
            on_drain=on_drain,
            on_last=lambda: end_by_force(after=patience),
        )
        refresh.then(lambda: _in_turn(intake.leave_broken, replace))

    register(checks or {})
    with _each_scaler(attach):
        runpod.serverless.start(config)


def _in_turn(*acts: Callable[[], None]) -> None:
    for act in acts:
        act()


def leave_on_sigterm() -> None:
    """End with exit code 0 on SIGTERM, until the SDK has its own way: a container's first process
    would ignore it, for all the minutes that loading and checks may take.
    """
    signal.signal(signal.SIGTERM, _leave)
    # The heartbeat, which is forked off, is ended by SIGTERM at the very end.
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def _leave(*_: object) -> NoReturn:
    # Python waits for its threads, and the one that loads a model goes on for minutes.
    end_by_force(after=LOADING_GRACE, code=0)
    sys.exit(0)


@contextmanager
def _each_scaler(attach: Callable[[Scaler], None]) -> Iterator[None]:
    """Show every JobScaler that the SDK makes before it starts; only on the platform is there one.

    The SDK has no way to hand in what takes jobs, except in local runs.
    """
    try:
        from runpod.serverless.modules import rp_scale

        real = rp_scale.JobScaler
    except (ImportError, AttributeError) as error:
        log.warning(LEFT_ALONE, error)
        yield
        return

    def make(config: dict[str, Any]) -> Scaler:
        scaler: Scaler = real(config)
        attach(scaler)
        return scaler

    rp_scale.JobScaler = make
    try:
        yield
    finally:
        rp_scale.JobScaler = real

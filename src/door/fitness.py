"""What must hold before the first job is taken: checks that the SDK runs once, on the platform."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from ..errors import ServiceError, WorkerError
from ..logs import redacted
from .sdk import import_sdk

log = logging.getLogger(__name__)

Check = Callable[[], None]


def register(checks: Mapping[str, Check]) -> None:
    """Have the SDK run each check before the first job, in this order.

    A check that raises ends the process with exit code 1, after the platform was told the check's
    name and the first 256 characters of the reason.
    """
    for name, check in checks.items():
        import_sdk().serverless.register_fitness_check(_named(name, check))


def _named(name: str, check: Check) -> Check:
    def run() -> None:
        started = time.monotonic()
        try:
            check()
        except Exception as error:
            log.error(  # noqa: TRY400  the traceback goes with what is raised
                "fitness check %s failed after %.2f s: %s",
                name,
                time.monotonic() - started,
                _reason(error),
            )
            raise ServiceError(_reason(error)) from error
        log.info("fitness check %s passed after %.2f s", name, time.monotonic() - started)

    run.__name__ = name  # the SDK reports it
    return run


def _reason(error: Exception) -> str:
    """What an operator reads, on one line; our own errors are sentences without their class."""
    text = str(error) if isinstance(error, WorkerError) else f"{type(error).__name__}: {error}"
    return redacted(" ".join(text.split()))

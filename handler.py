"""RunPod's door: builds the worker once and gives its handler to the platform."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from src import startup

if TYPE_CHECKING:
    from src.config import Platform, Settings
    from src.worker import Worker


def main() -> None:
    """Load the default model, then take jobs until the platform says stop."""
    from src.door import Refresh, import_sdk, leave_on_sigterm, serve
    from src.errors import WorkerError

    leave_on_sigterm()
    refresh = Refresh()
    try:
        with startup.uncollected():
            settings, platform, worker = _built()
        checks = worker.checks(warm_up=settings.warm_up)
        import_sdk()  # imported while the model is being loaded
        if not platform.is_there:  # there the SDK runs them, and tells the platform of a failure
            checks["model"]()
    except (WorkerError, ValueError) as error:  # ValueError: a setting or the manifest is wrong
        sys.exit(f"cannot start: {error}")
    worker.on_broken = refresh.ask
    serve(
        worker.handle,
        concurrency=settings.worker_concurrency,
        checks=checks,
        refresh=refresh,
        on_drain=worker.pardon,
        sdk_log_level=platform.log_level,
    )


def _built() -> tuple[Settings, Platform, Worker]:
    """What is imported here takes most of the start, and none of it is needed to come here."""
    from src import logs
    from src.bootstrap import build_worker
    from src.config import Platform, Settings

    settings, platform = Settings(), Platform()
    logs.set_up(settings.log_level, settings.log_format, on_platform=platform.is_there)
    startup.tell("settings", startup.since_start())
    return settings, platform, build_worker(settings, platform=platform)


# The platform's heartbeat is a process of its own, which may import this file again.
if __name__ == "__main__":
    main()

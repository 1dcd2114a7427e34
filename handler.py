"""RunPod's door: builds the worker once and gives its handler to the platform."""

import sys

from src import logs
from src.bootstrap import build_worker
from src.config import Platform, Settings
from src.door import Refresh, leave_on_sigterm, serve
from src.errors import WorkerError


def main() -> None:
    """Load the default model, then take jobs until the platform says stop."""
    leave_on_sigterm()
    refresh = Refresh()
    try:
        settings, platform = Settings(), Platform()
        logs.set_up(settings.log_level, settings.log_format, on_platform=platform.is_there)
        worker = build_worker(settings, platform=platform)
        checks = worker.checks(warm_up=settings.warm_up)
        if not platform.is_there:  # there the SDK runs them, and tells the platform of a failure
            checks.get("model", lambda: None)()
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


# The platform's heartbeat is a process of its own, which may import this file again.
if __name__ == "__main__":
    main()

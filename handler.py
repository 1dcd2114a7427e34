"""RunPod's door: builds the worker once and gives its handler to the platform."""

import sys

import runpod

from src.bootstrap import build_worker, set_up_logging
from src.config import Settings
from src.errors import WorkerError


def main() -> None:
    """Load the default model, then take jobs until the platform says stop."""
    try:
        settings = Settings()
        set_up_logging(settings)
        worker = build_worker(settings)
        if settings.warm_up:
            worker.warm()
    except (WorkerError, ValueError) as error:  # ValueError: a setting or the manifest is wrong
        sys.exit(f"cannot start: {error}")
    runpod.serverless.start({"handler": worker.handle})


# The platform's heartbeat is a process of its own, which may import this file again.
if __name__ == "__main__":
    main()

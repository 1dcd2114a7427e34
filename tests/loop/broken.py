"""A worker like handler.py's whose GPU room breaks at a prompt that says so."""

from __future__ import annotations

import threading
from typing import Any

from src import logs
from src.bootstrap import build_worker
from src.config import Platform, Settings
from src.door import Refresh, serve
from src.errors import DeviceBroken, OutOfMemory
from src.generation import Clip, GenerationRequest
from tests.fakes import FakePipelines


class Fragile(FakePipelines):
    """Draws grey frames, unless it is told to fail."""

    def generate(self, model: Any, request: GenerationRequest, **more: Any) -> Clip:
        prompt = request.parameters.prompt
        if prompt == "out of memory":
            raise OutOfMemory("CUDA out of memory", public="Ask for less.")
        if prompt == "broken":
            raise DeviceBroken("CUDA error: device-side assert triggered")
        if prompt == "hang":
            threading.Event().wait()
        return super().generate(model, request, **more)


def main() -> None:
    """The same wiring as handler.py's."""
    settings, platform = Settings(), Platform()
    logs.set_up(settings.log_level, settings.log_format, on_platform=platform.is_there)
    worker = build_worker(settings, platform=platform, pipelines=Fragile())
    refresh = Refresh()
    worker.on_broken = refresh.ask
    serve(worker.handle, refresh=refresh, on_drain=worker.pardon, patience=3)


if __name__ == "__main__":
    import src.worker.threads

    src.worker.threads.STOP_GRACE = 0.5
    main()

"""What must hold before the first job, as the door asks for it."""

import threading

import pytest

from src.bootstrap import build_worker
from src.config import Platform, Settings
from src.errors import DeviceBroken, ModelNotLoaded
from src.worker import Worker
from tests.fakes import FakePipelines, HeardProgress, MemoryAttempts, MemoryStorage

SOON = 20


class Warming(FakePipelines):
    """Says what it was asked for, and by which thread."""

    def __init__(self, *, broken: bool = False, missing: bool = False) -> None:
        super().__init__()
        self.begun: list[tuple[str, str]] = []
        self.loading, self.loaded = threading.Event(), threading.Event()
        self._broken, self._missing = broken, missing

    def check_device(self) -> None:
        self.begun.append(("device", threading.current_thread().name))
        if self._broken:
            raise DeviceBroken("cuda: no")

    def warm(self, *, run: bool | None = None) -> str:
        self.warmed_with = run
        self.begun.append(("warm", threading.current_thread().name))
        self.loading.set()
        assert self.loaded.wait(SOON)
        if self._missing:
            raise ModelNotLoaded("cut short")
        return "fake"


def worker_of(pipelines: FakePipelines) -> Worker:
    return build_worker(
        Settings(),
        platform=Platform(),
        pipelines=pipelines,
        storage=MemoryStorage(),
        progress=HeardProgress(),
        attempts=MemoryAttempts(),
    )


def test_the_model_is_being_loaded_while_nobody_has_asked_whether_it_is() -> None:
    pipelines = Warming()
    checks = worker_of(pipelines).checks()

    assert pipelines.loading.wait(SOON)
    checks["device"]()
    checks["weights"]()
    pipelines.loaded.set()
    checks["model"]()
    assert [what for what, _ in pipelines.begun] == ["device", "warm"]
    assert len({thread for _, thread in pipelines.begun}) == 1


@pytest.mark.parametrize("missing", [True, False])
def test_what_went_wrong_is_said_by_the_check_whose_it_is(missing: bool) -> None:
    pipelines = Warming(broken=not missing, missing=missing)
    pipelines.loaded.set()
    checks = worker_of(pipelines).checks()
    fails = {"model": ModelNotLoaded, "device": DeviceBroken}["model" if missing else "device"]

    for name in ("device", "model"):
        if name == ("model" if missing else "device"):
            with pytest.raises(fails):
                checks[name]()
        else:
            checks[name]()


@pytest.mark.parametrize("warm_up", [True, False, None])
def test_the_model_is_loaded_with_a_warm_up_or_without(warm_up: bool | None) -> None:
    pipelines = Warming()
    pipelines.loaded.set()
    worker_of(pipelines).checks(warm_up=warm_up)["model"]()

    assert [what for what, _ in pipelines.begun] == ["device", "warm"]
    assert pipelines.warmed_with is warm_up

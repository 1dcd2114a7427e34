import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from src.generation import Report
from src.notify import Encode, Several

from .conftest import Reports


class Heard:
    """Remembers what it was told, and may take its time or fail when a job finishes."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.heard: list[tuple[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def started(self, job_id: str, encode: Encode) -> None:
        self.heard.append(("started", (job_id, encode)))

    def tell(self, report: Report) -> None:
        self.heard.append(("tell", report))

    async def finished(self, job_id: str) -> None:
        await self.gate.wait()
        self.heard.append(("finished", job_id))
        if self.error:
            raise self.error


def encode(report: Report) -> Mapping[str, Any]:
    return {"step": report.step}


async def test_several_hear_the_same(report: Reports) -> None:
    first, second = Heard(), Heard()
    several = Several(first, second)

    several.started("job-1", encode)
    several.tell(report(step=1, total=2))
    await several.finished("job-1")

    assert first.heard == second.heard
    assert first.heard == [
        ("started", ("job-1", encode)),
        ("tell", report(step=1, total=2)),
        ("finished", "job-1"),
    ]


@pytest.mark.parametrize("place", [0, 1])
async def test_one_that_fails_keeps_no_other_from_finishing(place: int) -> None:
    listeners = [Heard(), Heard()]
    listeners[place].error = OSError("the terminal is gone")

    with pytest.raises(OSError, match="gone"):
        await Several(*listeners).finished("job-1")

    assert [listener.heard for listener in listeners] == [[("finished", "job-1")]] * 2


async def test_a_cancel_keeps_no_other_from_finishing() -> None:
    slow, other = Heard(), Heard()
    slow.gate.clear()
    task = asyncio.create_task(Several(slow, other).finished("job-1"))
    await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert other.heard == [("finished", "job-1")]

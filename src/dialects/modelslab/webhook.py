"""What ModelsLab posts to a request's own `webhook`, once the video is there or has failed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from ...errors import WorkerError
from ...generation import GenerationResult
from ..failure import OURS
from .answer import answer, number_of

TrackId = str | int | None


class Made(BaseModel):
    """A video that was made."""

    status: Literal["success"] = Field("success", description="Always `success`.")
    id: str = Field(description="The answer's `id`, as a string.")
    output: list[str] = Field(description="As in the answer.")
    proxy_links: list[str] = Field(description="As in the answer.")
    generationTime: float = Field(description="As in the answer.")  # noqa: N815  ModelsLab's
    track_id: TrackId = Field(description="The request's `track_id`.")
    meta: dict[str, Any] = Field(description="As in the answer.")


class NotMade(BaseModel):
    """A video that was not made."""

    status: Literal["failed"] = Field("failed", description="Always `failed`.")
    id: str = Field(description="The `id` that the answer would have had.")
    message: str = Field(description="`Processing failed: ` and the failure's message.")
    track_id: TrackId = Field(description="The request's `track_id`.")


def made(result: GenerationResult) -> Made:
    """Say that there is a video."""
    said = answer(result)
    return Made(
        id=str(said.id),
        output=said.output,
        proxy_links=said.proxy_links,
        generationTime=said.generationTime,
        track_id=result.request.delivery.track_id,
        meta=said.meta,
    )


def not_made(error: WorkerError, job_id: str, track_id: TrackId) -> NotMade:
    """Say that there is none, and why."""
    message = f"Processing failed: {error.public or OURS}"
    return NotMade(id=str(number_of(job_id)), message=message, track_id=track_id)

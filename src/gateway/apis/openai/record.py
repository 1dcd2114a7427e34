"""A video as OpenAI's video object, with vLLM-Omni's fields: what `/v1/videos` answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ....dialects.openai.record import job_id_of, video_id
from ...video import Failure, State, Video
from ..serving import file_name

_HEX = re.compile(r"[0-9a-f]{32}", re.ASCII)
_STATUS: Mapping[State, Literal["queued", "in_progress", "completed", "failed"]] = {
    State.NEW: "queued",
    State.QUEUED: "queued",
    State.IN_PROGRESS: "in_progress",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    # OpenAI has no word for it.
    State.CANCELLED: "failed",
}
CANCELLED = Failure(status=409, code="cancelled", message="The job was cancelled.")
#: Of the worker's own answer, what stands in the record as it is.
_AS_IT_IS = ("inference_time_s", "stage_durations", "peak_memory_mb", "seed", "poster", "warnings")


class Reason(BaseModel):
    """Why there is no video."""

    code: str | int = Field(
        description="A word, as OpenAI has it; with GATEWAY_FAILED_AS_ERROR the HTTP status."
    )
    message: str = Field(description="Which field, which rule, which value; or a fixed sentence.")


class VideoObject(BaseModel):
    """A video that was asked for; first OpenAI's fields, then vLLM-Omni's, then our own."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str = Field(description="`video_` and 32 hex digits.")
    object: Literal["video"] = "video"
    model: str = Field(description="The model, once it is known; until then as it was asked for.")
    prompt: str | None = None
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int = Field(ge=0, le=100, description="The share of the steps that is done.")
    size: str | None = Field(None, description="WIDTHxHEIGHT, once it is known.")
    seconds: str = Field(description="How long it plays; empty before that is known.")
    quality: Literal["default"] = "default"
    created_at: int = Field(description="Unix seconds, as the next two.")
    completed_at: int | None = None
    expires_at: int | None = Field(None, description="When the video is forgotten.")
    remixed_from_video_id: str | None = None
    error: Reason | None = None
    media_type: str = Field("video/mp4", description="`video/mp4` or `image/gif`.")
    file_name: str = Field(description="A name to save it under.")
    inference_time_s: float | None = Field(None, description="Seconds of denoising and decoding.")
    stage_durations: dict[str, float] = Field({}, description="Seconds of each part of the work.")
    peak_memory_mb: float = 0.0
    fps: float | None = None
    num_frames: int | None = None
    duration_s: float | None = None
    seed: int | None = Field(None, description="The seed that was used.")
    eta: float | None = Field(None, description="Seconds until it is there, once that is known.")
    url: str | None = Field(None, description="Where it is, if the worker put it into a bucket.")
    poster: str | None = Field(None, description="The first frame as a jpg, if there is one there.")
    warnings: list[str] = Field([], description="What was asked for and not done.")


class VideoList(BaseModel):
    """A page of videos."""

    object: Literal["list"] = "list"
    data: list[VideoObject]
    first_id: str | None = None
    last_id: str | None = Field(None, description="Ask for the next page with `after` this one.")
    has_more: bool


class Deleted(BaseModel):
    """A video that is forgotten."""

    id: str
    deleted: Literal[True] = True
    object: Literal["video.deleted"] = "video.deleted"


def inward(said: str) -> str | None:
    """Our id of a video that a caller names; None for what is no name of one.

    >>> inward("video_" + 32 * "a") == 32 * "a", inward("video_1"), inward("a")
    (True, None, None)
    """
    try:
        found = job_id_of(said)
    except ValueError:
        return None
    return found if _HEX.fullmatch(found) else None


def outward(video: str) -> str:
    """What callers know a video by."""
    return video_id(video)


def record_of(video: Video, *, default_model: str, code_as_status: bool = False) -> VideoObject:
    """What is known of a video now. `default_model` is told where nobody named one."""
    known: dict[str, Any] = {name: video.answer.get(name) for name in _AS_IT_IS}
    seconds = video.seconds or _number(video.answer.get("seconds"))
    return VideoObject(
        id=outward(video.id),
        model=_text(video.answer.get("model")) or video.model or default_model,
        prompt=video.prompt,
        status=_STATUS[video.state],
        progress=int(video.progress),
        size=_size(video),
        seconds=f"{seconds:g}" if seconds else "",
        created_at=int(video.created_at),
        completed_at=int(video.completed_at) if video.completed_at else None,
        expires_at=int(video.expires_at),
        remixed_from_video_id=outward(video.remixed_from) if video.remixed_from else None,
        error=_reason(video, code_as_status=code_as_status),
        media_type=video.content_type,
        file_name=file_name(outward(video.id), video.content_type),
        fps=video.fps,
        num_frames=video.num_frames,
        duration_s=video.seconds,
        eta=video.eta,
        url=video.link,
        **{name: value for name, value in known.items() if _fits(name, value)},
    )


def failure_of(video: Video) -> Failure | None:
    """Why there is no video; None where there is one, or may be."""
    return CANCELLED if video.state is State.CANCELLED else video.failure


def _reason(video: Video, *, code_as_status: bool) -> Reason | None:
    failure = failure_of(video)
    if failure is None:
        return None
    code = failure.status if code_as_status else failure.code
    return Reason(code=code, message=failure.message)


def _size(video: Video) -> str | None:
    if video.width and video.height:
        return f"{video.width}x{video.height}"
    return _text(video.answer.get("size"))


def _fits(name: str, value: object) -> bool:
    """Whether a worker's value is what the record has there; workers may be of another version."""
    match name:
        case "stage_durations":
            return isinstance(value, Mapping) and all(map(_is_number, value.values()))
        case "warnings":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "poster":
            return isinstance(value, str)
        case "seed":
            return isinstance(value, int)
    return _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> float | None:
    """A number of a string, as OpenAI's `seconds` is one."""
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

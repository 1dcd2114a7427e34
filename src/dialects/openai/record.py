"""OpenAI's video object, with vLLM-Omni's fields and this worker's own: while a video is made,
once it is, and when there is none. And from it back to what was made.

OpenAI's `error` is not in it: the platform takes that key for its own, so that a failure is told
as `failure`, and a record without it has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from ...generation import GenerationRequest, GenerationResult, Report, Unmade
from ..failure import Failure
from ..made import Seconds, in_answer, length_of, seconds_of, warnings_of
from ..outcome import Outcome, outcome_of

#: What stands before a job's id in a video's.
PREFIX = "video_"


def video_id(job_id: str) -> str:
    """The video's id; `job_id_of` gives the job's back.

    >>> video_id("7b0e5c1e-e1")
    'video_7b0e5c1e-e1'
    """
    return f"{PREFIX}{job_id}"


def job_id_of(video: str) -> str:
    """The id of the job whose video it is. Raises ValueError for what is no video's id."""
    if not video.startswith(PREFIX) or video == PREFIX:
        raise ValueError("no id of a video")
    return video.removeprefix(PREFIX)


def _is_none(value: object) -> bool:
    return value is None


class Record(BaseModel):
    """What every video object has, whatever became of it."""

    id: str = Field(description="`video_` and the job's id.")
    object: Literal["video"] = Field("video", description="Always `video`.")
    status: Literal["in_progress", "completed", "failed"] = Field(
        description="The platform itself knows of jobs that are still queued."
    )
    model: str | None = Field(description="The model that makes it.")
    prompt: str | None = Field(description="The request's.")
    progress: int = Field(
        description="The share of the denoising steps that is done: 0 to 99, and 100 at the end."
    )
    size: str | None = Field(description="WIDTHxHEIGHT of the file.")
    seconds: str | None = Field(description="How long it plays, as a string.")
    quality: Literal["default"] = Field("default", description="Always `default`.")
    created_at: int = Field(description="When the job arrived, in Unix seconds.")
    completed_at: int | None = Field(None, description="When the video was there.")
    expires_at: int | None = Field(None, description="Always null: see BUCKET_URL_LIFETIME.")
    remixed_from_video_id: str | None = Field(None, description="Always null.")


class Answer(Record):
    """One video made; OpenAI's keys, then vLLM-Omni's, then this worker's own."""

    media_type: str = Field(description="`video/mp4` or `image/gif`.")
    file_name: str = Field(description="A name to save it under.")
    inference_time_s: float = Field(description="Seconds of denoising and decoding.")
    stage_durations: dict[str, float] = Field(description="As `timings`.")
    peak_memory_mb: float = Field(0.0, description="Always 0: not measured.")
    fps: float = Field(description="The file's.")
    num_frames: int = Field(description="The file's.")
    duration_s: float = Field(description="How long it plays.")
    url: str | None = Field(
        None,
        exclude_if=_is_none,
        description="Where it is; a data URI where neither a bucket nor a folder takes results.",
    )
    b64_json: str | None = Field(
        None, exclude_if=_is_none, description="Its bytes in base64, where that was asked for."
    )
    seed: int | None = Field(description="The seed that was used.")
    poster: str | None = Field(
        None,
        exclude_if=_is_none,
        description="The first frame as a jpg; there only with BUCKET_POSTER.",
    )
    warnings: list[str] = Field(description="What was asked for and not done.")
    timings: Seconds = Field(description="Where the time went, in seconds; see below.")


class Failed(Record):
    """No video made."""

    message: str = Field(description="As in `failure`.")
    failure: Failure = Field(description="What OpenAI tells as `error`; see below.")


class Processing(Record):
    """A video under way."""

    eta: float | None = Field(description="Seconds until the answer, once steps were measured.")
    stage: str = Field(
        description="One of fetch, wait (for the GPU), load, generate, encode, store."
    )
    step: int = Field(description="Denoising steps done.")
    total: int = Field(description="Denoising steps in all; 0 before they are known.")


def answer(result: GenerationResult) -> Answer:
    """Say what came of a request."""
    request, timings = result.request, seconds_of(result)
    media, length = request.delivery.format, length_of(result)
    return Answer(
        id=video_id(result.job_id),
        status="completed",
        model=request.model,
        prompt=request.parameters.prompt,
        progress=100,
        size=f"{result.width}x{result.height}",
        seconds=f"{length:g}",
        created_at=int(result.started_at),
        completed_at=int(result.started_at + result.total_seconds),
        media_type=media.content_type,
        file_name=f"{result.file_prefix}.{media}",
        inference_time_s=timings.generate,
        stage_durations=timings.model_dump(),
        fps=float(result.fps),
        num_frames=result.num_frames,
        duration_s=length,
        **in_answer(result.output, as_base64=request.delivery.as_base64),
        seed=request.parameters.seed,
        poster=result.poster,
        warnings=warnings_of(result),
        timings=timings,
    )


def failed(failure: Failure, about: Unmade) -> Failed:
    """Say why there is no video."""
    request = about.request
    return Failed(
        id=video_id(about.job_id),
        status="failed",
        model=request.model if request else None,
        prompt=request.parameters.prompt if request else None,
        progress=0,
        **_planned(request),
        created_at=int(about.started_at),
        completed_at=int(about.failed_at),
        message=failure.message,
        failure=failure,
    )


def processing(report: Report) -> Processing:
    """Say how far a job is."""
    request = report.request
    return Processing(
        id=video_id(report.job_id),
        status="in_progress",
        model=request.model,
        prompt=request.parameters.prompt,
        progress=min(99, int(report.percent)),
        **_planned(request),
        created_at=int(report.started_at),
        eta=None if report.eta is None else round(report.eta, 1),
        stage=report.stage.value,
        step=report.step,
        total=report.total,
    )


def _planned(request: GenerationRequest | None) -> dict[str, Any]:
    """Size and length of a video that there is not, as far as a request is settled."""
    try:
        if request is None:
            raise ValueError("no request")
        width, height, num_frames = request.parameters.output_shape
    except ValueError:
        return {"size": None, "seconds": None}
    seconds = round(float(num_frames / request.parameters.output_fps), 3)
    return {"size": f"{width}x{height}", "seconds": f"{seconds:g}"}


def outcome(answer: Mapping[str, Any]) -> Outcome:
    """Read an answer back. Raises ValueError where there is no video in it."""
    size, name = answer.get("size"), answer.get("file_name")
    width, _, height = size.partition("x") if isinstance(size, str) else ("", "", "")
    figures = {
        **answer,
        "width": int(width) if width.isdecimal() else None,
        "height": int(height) if height.isdecimal() else None,
        "seconds": answer.get("duration_s", answer.get("seconds")),
        "content_type": answer.get("media_type"),
        "stem": name.rpartition(".")[0] if isinstance(name, str) else None,
    }
    return outcome_of(answer.get("b64_json") or answer.get("url"), figures)

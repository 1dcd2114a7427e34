"""From a GenerationResult to LocalAI's answer, and from its answer back to what was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from ...generation import GenerationResult, Report, Unmade
from ..failure import Failure
from ..made import Seconds, in_answer, length_of, seconds_of, warnings_of
from ..outcome import Outcome, outcome_of


def _is_none(value: object) -> bool:
    return value is None


class Video(BaseModel):
    """One video, by one of its two keys; LocalAI's clients read no other."""

    url: str | None = Field(
        None,
        exclude_if=_is_none,
        description="Where it is; a data URI where neither a bucket nor a folder takes results.",
    )
    b64_json: str | None = Field(
        None, exclude_if=_is_none, description="Its bytes in base64, where that was asked for."
    )


class Answer(BaseModel):
    """One video made; what follows `data` is this worker's own."""

    created: int = Field(description="When the job arrived, in Unix seconds.")
    id: str = Field(description="The job's id.")
    data: list[Video] = Field(description="The video, alone: see below.")
    model: str | None = Field(description="The model that made it.")
    seed: int | None = Field(description="The seed that was used.")
    width: int = Field(description="The file's, in pixels.")
    height: int = Field(description="The file's, in pixels.")
    num_frames: int = Field(description="The file's.")
    fps: float = Field(description="The file's.")
    seconds: float = Field(description="How long it plays.")
    media_type: str = Field(description="`video/mp4` or `image/gif`.")
    file_name: str = Field(description="A name to save it under.")
    poster: str | None = Field(
        None,
        exclude_if=_is_none,
        description="The first frame as a jpg; there only with BUCKET_POSTER.",
    )
    warnings: list[str] = Field(description="What was asked for and not done.")
    timings: Seconds = Field(description="Where the time went, in seconds; see below.")


class Failed(BaseModel):
    """No video made."""

    id: str | None = Field(description="The job's id.")
    created: int = Field(description="When the job arrived, in Unix seconds.")
    message: str = Field(description="As in `failure`.")
    failure: Failure = Field(description="What LocalAI tells as `error`; see below.")


class Processing(BaseModel):
    """A video under way; LocalAI has no such answer."""

    id: str = Field(description="The job's id.")
    created: int = Field(description="When the job arrived, in Unix seconds.")
    progress: int = Field(description="The share of the denoising steps that is done, 0 to 99.")
    eta: float | None = Field(description="Seconds until the answer, once steps were measured.")
    stage: str = Field(
        description="One of fetch, wait (for the GPU), load, generate, encode, store."
    )
    step: int = Field(description="Denoising steps done.")
    total: int = Field(description="Denoising steps in all; 0 before they are known.")


def answer(result: GenerationResult) -> Answer:
    """Say what came of a request."""
    request = result.request
    media = request.delivery.format
    return Answer(
        created=int(result.started_at),
        id=result.job_id,
        data=[Video(**in_answer(result.output, as_base64=request.delivery.as_base64))],
        model=request.model,
        seed=request.parameters.seed,
        width=result.width,
        height=result.height,
        num_frames=result.num_frames,
        fps=float(result.fps),
        seconds=length_of(result),
        media_type=media.content_type,
        file_name=f"{result.file_prefix}.{media}",
        poster=result.poster,
        warnings=warnings_of(result),
        timings=seconds_of(result),
    )


def failed(failure: Failure, about: Unmade | None) -> Failed:
    """Say why there is no video."""
    return Failed(
        id=about.job_id if about else None,
        created=int(about.started_at) if about else 0,
        message=failure.message,
        failure=failure,
    )


def processing(report: Report) -> Processing:
    """Say how far a job is."""
    return Processing(
        id=report.job_id,
        created=int(report.started_at),
        progress=min(99, int(report.percent)),
        eta=None if report.eta is None else round(report.eta, 1),
        stage=report.stage.value,
        step=report.step,
        total=report.total,
    )


def outcome(answer: Mapping[str, Any]) -> Outcome:
    """Read an answer back. Raises ValueError where there is no video in it."""
    data = answer.get("data")
    first = data[0] if isinstance(data, list) and data else None
    video = first if isinstance(first, Mapping) else {}
    name = answer.get("file_name")
    stem = name.rpartition(".")[0] if isinstance(name, str) else None
    figures = {**answer, "content_type": answer.get("media_type"), "stem": stem}
    return outcome_of(video.get("b64_json") or video.get("url"), figures)

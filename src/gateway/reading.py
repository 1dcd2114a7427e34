"""From what the platform says of a job to what becomes of its video; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..dialects.failure import OURS
from ..dialects.outcome import Outcome
from .endpoint import JobState, JobStatus
from .store.videos import Content
from .video import Failure, State, Video

#: What columns hold: of PostgreSQL's integer, of a media type, and of a link by good sense.
MOST_NUMBER = 2**31 - 1
MOST_TYPE = 50
MOST_LINK = 10_000
#: The worker's answer in a dialect -> its video; ValueError where there is none in it.
ReadAnswer = Callable[[Mapping[str, Any]], Outcome]

LOST = Failure(status=500, code="job_lost", message="The endpoint does not know this job any more.")
TIMED_OUT = Failure(
    status=504,
    code="timed_out",
    message="The job took longer than the endpoint's execution timeout allows.",
)
UNREADABLE = Failure(
    status=502, code="endpoint_failed", message="The endpoint answered without a video."
)
IN_A_FOLDER = Failure(
    status=502,
    code="endpoint_failed",
    message="The worker keeps its videos in a folder (OUTPUT_DIR), which the gateway cannot read.",
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is new of a video."""

    changes: Mapping[str, Any]
    #: Its bytes, where no bucket has them.
    content: Content | None = None


def read(video: Video, job: JobState | None, outcome: ReadAnswer, *, now: float) -> Reading:
    """What the platform's word on its job means for a video.

    `outcome` reads the worker's answer in the video's own dialect.
    """
    if job is None:
        return _ended(State.FAILED, LOST, now=now)
    spent = {"gpu_seconds": job.execution_seconds}
    match job.status:
        case JobStatus.IN_QUEUE:
            return Reading(changes={"state": State.QUEUED})
        case JobStatus.IN_PROGRESS | JobStatus.RUNNING:
            return _under_way(video, job)
        case JobStatus.CANCELLED:
            return _ended(State.CANCELLED, None, now=now, **spent)
        case JobStatus.TIMED_OUT:
            return _ended(State.FAILED, TIMED_OUT, now=now, **spent)
        case JobStatus.FAILED:
            return _ended(State.FAILED, failure_of(job), now=now, **spent)
    return _made(job, outcome, now=now)


def failure_of(job: JobState) -> Failure:
    """Why a job failed: the worker's own words in any dialect, or the platform's."""
    output = job.output if isinstance(job.output, Mapping) else {}
    failure = output.get("failure")
    told = failure if isinstance(failure, Mapping) else output
    message = told.get("message") or job.error or "The job failed."
    status = told.get("code")
    if not isinstance(status, int) or not 400 <= status < 600:
        # ModelsLab's body has no number: whatever names a fault is for the caller to mend.
        status = 400 if output.get("status") == "error" and message != OURS else 500
    code = told.get("type")
    return Failure(
        status=status,
        message=str(message),
        code=code if isinstance(code, str) else "generation_failed",
        param=told.get("param") if isinstance(told.get("param"), str) else None,
    )


def _under_way(video: Video, job: JobState) -> Reading:
    output = job.output if isinstance(job.output, Mapping) else {}
    changes: dict[str, Any] = {"state": State.IN_PROGRESS}
    percent = _number(output.get("percent", output.get("progress")))
    if percent is not None:
        # A job that was handed out again begins anew; what was shown once stays shown.
        changes["progress"] = max(video.progress, min(percent, 99.0))
    eta = _number(output.get("eta"))
    if eta is not None:
        changes["eta"] = eta
    if output:
        changes["answer"] = dict(output)
    return Reading(changes=changes)


def _made(job: JobState, outcome: ReadAnswer, *, now: float) -> Reading:
    spent = {"gpu_seconds": job.execution_seconds}
    answer = job.output if isinstance(job.output, Mapping) else {}
    try:
        found = outcome(answer)
        content = _content(found)
        _check_text(found.content_type, most=MOST_TYPE)
        if content is None:
            _check_text(found.video, most=MOST_LINK)
    except ValueError:
        return _ended(State.FAILED, UNREADABLE, now=now, **spent)
    if found.video.startswith("file:"):
        return _ended(State.FAILED, IN_A_FOLDER, now=now, **spent)
    ended = _ended(
        State.COMPLETED,
        None,
        now=now,
        link=None if content else found.video,
        content_type=found.content_type,
        answer=without_bytes(answer, found) if content else answer,
        width=_column(found.width),
        height=_column(found.height),
        num_frames=_column(found.num_frames),
        fps=found.fps,
        seconds=found.seconds,
        progress=100.0,
        **spent,
    )
    return Reading(changes=ended.changes, content=content)


def _ended(state: State, failure: Failure | None, *, now: float, **more: object) -> Reading:
    return Reading(
        changes={"state": state, "failure": failure, "completed_at": now, "eta": None, **more}
    )


def _number(value: object) -> float | None:
    """A number that can be kept, from 0."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= MOST_NUMBER else None


def _column(value: int | None) -> int | None:
    """A whole number that a column holds."""
    return value if value is None or value <= MOST_NUMBER else None


def _check_text(value: str, *, most: int) -> None:
    """Raises ValueError for text that a column does not hold, or that is no text."""
    value.encode()
    if "\0" in value or len(value) > most:
        raise ValueError("no text that can be kept")


def _content(found: Outcome) -> Content | None:
    """The bytes that an answer holds, if it does."""
    if not found.is_inline:
        return None
    data = found.content()
    if not data:
        raise ValueError("an empty video")
    return Content(content_type=found.content_type, data=data)


def without_bytes(answer: Any, found: Outcome) -> Any:  # noqa: ANN401  JSON
    """An answer with "" where the video's own bytes stood, which are kept elsewhere."""
    if isinstance(answer, Mapping):
        return {name: without_bytes(value, found) for name, value in answer.items()}
    if isinstance(answer, list):
        return [without_bytes(item, found) for item in answer]
    is_the_video = isinstance(answer, str) and len(answer) > 64 and found.video.endswith(answer)
    return "" if is_the_video else answer

"""A video as the gateway knows it, from the call to the last byte; pure data."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Api(StrEnum):
    """Whose words a call was made in; the names of the worker's dialects."""

    MODELSLAB = "modelslab"
    OPENAI = "openai"
    LOCALAI = "localai"


class State(StrEnum):
    """Where a video is."""

    #: It stands in the database, and the endpoint may not have heard of it yet.
    NEW = "new"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: Something may still become of it.
OPEN = frozenset({State.NEW, State.QUEUED, State.IN_PROGRESS})


@dataclass(frozen=True, kw_only=True)
class Call:
    """What somebody asks for: one body, in the words of one API."""

    api: Api
    #: The worker's `endpoint`: text2video, /video, /v1/videos, ...
    endpoint: str
    #: As it goes to the worker; without any key.
    body: Mapping[str, Any]
    model: str | None = None
    prompt: str | None = None
    #: What a client gives to have a repeated call make nothing twice.
    idempotency_key: str | None = None
    #: The id of the video that this is another version of.
    remixed_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why there is no video."""

    #: As an HTTP status would say it: 400 is the caller's to mend, 500 is not.
    status: int
    message: str
    code: str = "error"
    param: str | None = None


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video of one caller; times are seconds since 1970."""

    #: 32 hex digits that nobody can guess: who has it may read the video.
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    #: Whose it is: an `Account.id`.
    owner: str
    api: Api
    endpoint: str
    model: str | None = None
    prompt: str | None = None
    state: State = State.NEW
    #: The platform's name of the job; None before the endpoint has taken it.
    job_id: str | None = None
    idempotency_key: str | None = None
    remixed_from: str | None = None
    #: From 0 to 100.
    progress: float = 0.0
    #: Seconds until it is done, where the worker has said so.
    eta: float | None = None
    #: The worker's last word, in the API's own shape, without the video's bytes: its progress while
    #: it is open, its answer when it is done.
    answer: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    #: Where the video is, if it is in a bucket; else its bytes are kept here.
    link: str | None = None
    content_type: str = "video/mp4"
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    fps: float | None = None
    #: How long it plays.
    seconds: float | None = None
    #: What the platform counts: seconds that a worker had it.
    gpu_seconds: float | None = None
    created_at: float
    #: When the platform was last asked about it.
    looked_at: float = 0.0
    completed_at: float | None = None
    #: When it is forgotten.
    expires_at: float

    @property
    def is_open(self) -> bool:
        """Whether something may still become of it."""
        return self.state in OPEN

    @property
    def is_there(self) -> bool:
        """Whether there is a video to be read."""
        return self.state is State.COMPLETED

"""A job as the platform knows it, from its submission to its end."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from .rules import Rules

Kind = Literal["progress", "result", "chunk"]


class Status(StrEnum):
    """The platform's words for where a job is."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


#: Nothing more is expected of such a job.
FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT})
#: Such a job can be sent round again.
RETRIABLE = frozenset({Status.FAILED, Status.TIMED_OUT})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How long a job may run and exist, in seconds."""

    execution_timeout: float
    ttl: float

    @classmethod
    def read(cls, policy: object, rules: Rules) -> Policy:
        """The policy of a request, in milliseconds there. Raises ValueError for a wrong one."""
        given = {} if policy is None else policy
        if not isinstance(given, Mapping):
            raise ValueError(f"policy must be an object, got {policy!r}")  # noqa: TRY004  a caller's
        return cls(
            execution_timeout=_seconds(given, "executionTimeout", rules.execution_timeout),
            ttl=_seconds(given, "ttl", rules.ttl),
        )


@dataclass(frozen=True, kw_only=True)
class Received:
    """One thing that a worker posted for a job; times are of the monotonic clock."""

    #: When it took effect, or was refused; a job's list is in this order.
    at: float
    kind: Kind
    #: The JSON as it came.
    body: Any
    #: The status that it was answered with; anything but 200 means that the worker was told no.
    status: int
    #: When it had come in whole; earlier than `at` only where a fault held it up.
    arrived: float
    pod: str
    size_bytes: int
    #: The X-Request-ID header.
    request_id: str | None = None


@dataclass(eq=False, kw_only=True)
class Job:
    """What the platform knows of a job; times are of the monotonic clock."""

    id: str
    input: Any
    policy: Policy
    webhook: str | None = None
    s3_config: Any = None

    status: Status = Status.IN_QUEUE
    output: Any = None
    error: str | None = None
    #: The worker that it was handed to last.
    pod: str | None = None
    #: Times that it was handed out.
    deliveries: int = 0
    #: Times that a caller sent it round again.
    retries: int = 0
    #: A progress update came after the result, and the job is in progress again, for ever.
    flipped: bool = False
    #: Its time to live is over: callers are told that there is no such job.
    deleted: bool = False

    #: Everything that arrived for it, refused or not, in order.
    received: list[Received] = field(default_factory=list)
    #: The outputs of the progress updates that took effect.
    progress: list[Any] = field(default_factory=list)
    #: The chunks of a streaming handler, and how many of them a caller has fetched.
    chunks: list[Any] = field(default_factory=list)
    fetched: int = 0
    #: What the webhook answered, try by try; None where there was no answer.
    webhook_answers: list[int | None] = field(default_factory=list)

    submitted_at: float = field(default_factory=time.monotonic)
    taken_at: float | None = None
    finished_at: float | None = None
    #: Set while a worker has it or has had it.
    started: threading.Event = field(default_factory=threading.Event)
    #: Set once its status is final, whichever that is.
    finished: threading.Event = field(default_factory=threading.Event)
    #: Set once its webhook was answered with 200 or given up.
    notified: threading.Event = field(default_factory=threading.Event)

    @property
    def waits(self) -> bool:
        """Whether it came by /runsync."""
        return self.id.startswith("sync-")

    @property
    def is_final(self) -> bool:
        """Whether its status is final."""
        return self.status in FINAL

    @property
    def is_held(self) -> bool:
        """Whether a worker has it and owes its result; a job that was flipped is owed nothing."""
        return self.status == Status.IN_PROGRESS and not self.flipped

    def arrivals(self, kind: Kind) -> list[Received]:
        """What arrived of one kind, in order."""
        return [item for item in self.received if item.kind == kind]

    def after_result(self) -> list[Received]:
        """What arrived after the first result that was taken; nothing should."""
        for index, item in enumerate(self.received):
            if item.kind == "result" and item.status == 200:
                return self.received[index + 1 :]
        return []

    def wait(self, seconds: float = 120) -> Job:
        """Wait until its status is final. Raises TimeoutError."""
        if not self.finished.wait(seconds):
            raise TimeoutError(f"job {self.id} is {self.status} after {seconds} s")
        return self

    def envelope(self) -> dict[str, Any]:
        """What a worker is handed: the platform keeps the rest of the request to itself."""
        riding_along = {"webhook": self.webhook, "s3Config": self.s3_config}
        given = {name: value for name, value in riding_along.items() if value is not None}
        return {"id": self.id, "input": self.input, **given}

    def as_status(self) -> dict[str, Any]:
        """What a caller is told, by /status and by the webhook alike; times in milliseconds."""
        output = self.output if self.is_final else (self.progress or [None])[-1]
        state = {
            "delayTime": _milliseconds(self.submitted_at, self.taken_at),
            "error": self.error,
            "executionTime": _milliseconds(self.taken_at, self.finished_at),
            "id": self.id,
            "output": output,
            "status": self.status.value,
            "workerId": self.pod,
        }
        return {name: value for name, value in state.items() if value is not None}

    def begin(self, pod: str) -> None:
        """It is in a worker's hands."""
        self.status, self.pod = Status.IN_PROGRESS, pod
        self.taken_at = time.monotonic()
        self.deliveries += 1
        self.started.set()

    def end(self, status: Status, *, output: object = None, error: str | None = None) -> None:
        """It is over."""
        self.status, self.output, self.error = status, output, error
        self.finished_at = time.monotonic()
        self.finished.set()

    def reset(self) -> None:
        """As if it had never been handed out; what was received stays on record."""
        self.status, self.output, self.error, self.pod = Status.IN_QUEUE, None, None, None
        self.progress, self.chunks, self.fetched, self.flipped = [], [], 0, False
        self.taken_at = self.finished_at = None
        for event in (self.started, self.finished, self.notified):
            event.clear()


def new_id(*, sync: bool = False) -> str:
    """An id as the platform makes them."""
    return f"{'sync-' if sync else ''}{uuid.uuid4()}-e1"


def _seconds(policy: Mapping[str, Any], name: str, default: float) -> float:
    value = policy.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"policy.{name} must be a number of milliseconds above 0, got {value!r}")
    return value / 1000


def _milliseconds(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else round((end - start) * 1000)

"""The errors that we raise on purpose.

WorkerError
├── RequestError             the caller can mend it; its message goes out as it is
│   ├── InvalidRequest       a field, its value and the rule that it breaks
│   ├── UnknownModel
│   ├── UnsupportedTask
│   ├── FetchFailed          a URL gave nothing usable
│   │   └── BlockedUrl       a URL that we refuse to ask
│   ├── MediaTooLarge        bytes, pixels, frames or seconds above a limit
│   └── UndecodableMedia     not an image or a video that we read
└── ServiceError             ours to mend; its `public` sentence goes out, if it has one, or a
    │                        fixed one; the rest goes into the log
    ├── GenerationError
    │   ├── ModelNotLoaded
    │   ├── OutOfMemory
    │   ├── DeviceBroken     nothing runs on the device any more: the worker must be replaced
    │   ├── TimedOut         the job took longer than the operator allows
    │   └── PoisonJob        the job was begun before, more than once, and the worker died of it
    └── OutputError
        ├── EncodingError
        ├── StorageError
        ├── ResultTooLarge   past every way of delivering it
        └── WebhookFailed    never fails a job

GenerationCancelled stands apart: nobody's fault, and never an answer.
"""

from typing import ClassVar


class WorkerError(Exception):
    """Something went wrong that we know how to name."""

    #: A stable word for logs and for dialects whose error bodies carry a code.
    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None) -> None:
        """Without a message, the class's own docstring is the message."""
        super().__init__(message or self.__doc__)

    @property
    def public(self) -> str | None:
        """What the caller may read of it; None where only the log may."""
        return None


class RequestError(WorkerError):
    """The request cannot be served as it is."""

    code = "bad_request"

    @property
    def public(self) -> str:
        """Its message, as it is."""
        return str(self)


class InvalidRequest(RequestError):
    """A field of the request is wrong."""

    code = "invalid_request"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        """`field` is the caller's name of the field; of several, the first."""
        super().__init__(message)
        self.field = field


class UnknownModel(RequestError):
    """The model is not one that this worker serves."""

    code = "unknown_model"


class UnsupportedTask(RequestError):
    """The model does not do this task."""

    code = "unsupported_task"


class FetchFailed(RequestError):
    """The media could not be fetched."""

    code = "fetch_failed"


class BlockedUrl(FetchFailed):
    """The URL points to where this worker does not go."""

    code = "blocked_url"


class MediaTooLarge(RequestError):
    """The media is above a limit of this worker."""

    code = "media_too_large"


class UndecodableMedia(RequestError):
    """The media could not be read."""

    code = "undecodable_media"


class ServiceError(WorkerError):
    """The worker failed."""

    code = "service_error"

    def __init__(self, message: str | None = None, *, public: str | None = None) -> None:
        """`message` is for the log; `public` is a whole sentence that the caller can act on."""
        super().__init__(message)
        self._public = public

    @property
    def public(self) -> str | None:
        """The sentence for the caller, if there is one."""
        return self._public


class GenerationError(ServiceError):
    """The frames could not be generated."""

    code = "generation_failed"


class ModelNotLoaded(GenerationError):
    """The model's weights could not be loaded."""

    code = "model_not_loaded"


class OutOfMemory(GenerationError):
    """The device ran out of memory."""

    code = "out_of_memory"


class DeviceBroken(GenerationError):
    """Nothing runs on the device any more."""

    code = "device_broken"


class TimedOut(GenerationError):
    """The job took longer than the operator allows."""

    code = "timed_out"


class PoisonJob(GenerationError):
    """The job was begun before and the worker did not survive it."""

    code = "poison_job"


class OutputError(ServiceError):
    """The frames were generated but not delivered."""

    code = "output_failed"


class EncodingError(OutputError):
    """The frames could not be encoded."""

    code = "encoding_failed"


class StorageError(OutputError):
    """The video could not be stored."""

    code = "storage_failed"


class ResultTooLarge(OutputError):
    """The video is larger than any way of delivering it takes."""

    code = "result_too_large"


class WebhookFailed(OutputError):
    """The webhook could not be told."""

    code = "webhook_failed"


class GenerationCancelled(Exception):
    """The platform cancelled the job between two steps."""


def field_error(field: str, value: object, rule: str) -> InvalidRequest:
    """Name the field, the value and the rule, in one sentence.

    >>> str(field_error("width", 500, "must be a multiple of 32"))
    'width must be a multiple of 32, got 500'
    """
    return InvalidRequest(f"{field} {rule}, got {shown(value)}", field=field)


def shown(value: object, limit: int = 60) -> str:
    """The value as it may stand in a message: short, and on one line."""
    text = repr(value)
    length = len(value) if isinstance(value, str) else len(text)
    return text if len(text) <= limit else f"{text[:limit]}... ({length} characters)"

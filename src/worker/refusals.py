"""What is refused before it is made, and what is said of a job whose time is over."""

from __future__ import annotations

from ..errors import InvalidRequest, TimedOut
from ..generation import GenerationRequest
from ..media import check_fps, check_size


def check_format(request: GenerationRequest) -> None:
    """Refuse before generating what could not be written after. Raises InvalidRequest."""
    parameters, video_format = request.parameters, request.delivery.format
    try:
        width, height, _ = parameters.output_shape
        check_size(video_format, width=width, height=height)
        check_fps(video_format, parameters.output_fps)
    except InvalidRequest as error:
        if parameters.output_shape == parameters.shape:
            raise
        # The figures are not those that the caller sent for the fields that the message names.
        raise InvalidRequest(f"after upscaling and interpolation, {error}") from error


def timed_out(seconds: float) -> TimedOut:
    """The error of a job that took longer than the operator allows."""
    return TimedOut(
        f"above {seconds:g} s",
        public=f"The job was stopped after {seconds:g} s, this worker's JOB_TIMEOUT: ask for "
        "fewer steps, fewer frames or a smaller size.",
    )

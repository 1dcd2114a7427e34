"""What every dialect tells of a video that was made, beside its own API's words."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from ..generation import GenerationResult


class Seconds(BaseModel):
    """Where the time went, in seconds."""

    fetch: float = Field(description="Fetching and reading what was sent.")
    load: float = Field(description="Loading the model, if it was not resident.")
    generate: float = Field(description="Denoising and decoding.")
    encode: float = Field(description="Writing the mp4 or gif.")
    store: float = Field(description="Bringing it to where results go.")


def seconds_of(result: GenerationResult) -> Seconds:
    """Where the time went, to the millisecond."""
    return Seconds(**{name: round(value, 3) for name, value in asdict(result.timings).items()})


def warnings_of(result: GenerationResult) -> list[str]:
    """What was asked for and not done, each once."""
    return list(dict.fromkeys((*result.request.warnings, *result.warnings)))


def length_of(result: GenerationResult) -> float:
    """How many seconds the video plays, to the millisecond."""
    return round(float(result.num_frames / result.fps), 3)


def in_answer(output: str, *, as_base64: bool) -> dict[str, str]:
    """The video by the key that OpenAI's and LocalAI's clients look for."""
    return {"b64_json": output} if as_base64 else {"url": output}

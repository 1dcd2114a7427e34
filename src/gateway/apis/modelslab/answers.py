"""What ModelsLab's clients read: from a Video to success, processing or error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, Field

from ....dialects.modelslab import ModelsLab
from ....dialects.modelslab.answer import Answer, meta_of, number_of
from ....dialects.modelslab.processing import MESSAGE, TIP, UNKNOWN_ETA, Processing
from ....generation import VideoFormat
from ...handover import payload_of
from ...store.videos import Content
from ...video import Call, State, Video
from ..links import base64_of, link_of


class Success(Answer):
    """A video that is there: the worker's answer, with links that lead to it."""

    future_links: list[str] = Field(description="As `output`; empty where that is base64.")


class UnderWay(Processing):
    """A video that is not there yet."""

    id: int = Field(description="What to fetch it by.")
    fetch_result: str = Field(description="URL to ask for it at: POST, with the key.")
    future_links: list[str] = Field(description="Where the video will be.")
    meta: dict[str, Any] = Field(description="What is effective; what was asked, before it began.")
    stage: str = Field(description="`queue`, then as the worker says.")


class Failed(BaseModel):
    """A video that there will not be. With HTTP's 200: ModelsLab's clients read `status`."""

    status: Literal["error"] = Field("error", description="Always so.")
    message: str = Field(description="Why: which field, which rule, which value.")
    id: int = Field(description="As the video's.")


class Error(BaseModel):
    """A request that is refused, with the HTTP status that says why."""

    status: Literal["error"] = Field("error", description="Always so.")
    message: str = Field(description="Why: which field, which rule, which value.")


CANCELLED = "The job was cancelled."


@dataclass(frozen=True, kw_only=True)
class Family:
    """Some of ModelsLab's URLs: a folder, and the endpoints in it."""

    #: As in /api/v6/video.
    folder: str
    #: The last part of a path, and the worker's word for it.
    endpoints: Mapping[str, str]


def error_body(message: str) -> dict[str, Any]:
    """A refusal."""
    return Error(message=message).model_dump()


def number(video: Video) -> int:
    """What clients know it by: what the worker says in its answers and to a webhook."""
    return number_of(video.job_id or video.id)


def answer(
    video: Video, *, family: Family, base_url: str, call: Call | None, content: Content | None
) -> dict[str, Any]:
    """What a client is told of a video.

    `call` is what was asked, where that is at hand; `content` are a finished video's bytes, where
    `wants_bytes` says so.
    """
    if video.is_there:
        return _success(video, base_url, content)
    if video.is_open:
        return _under_way(video, family, base_url, call)
    cancelled = video.state is State.CANCELLED or video.failure is None
    message = CANCELLED if cancelled or not video.failure else video.failure.message
    return Failed(message=message, id=number(video)).model_dump()


def wants_bytes(video: Video) -> bool:
    """Whether a finished video's bytes were asked for outright, and go into the answer."""
    return video.is_there and video.link is None and _asked_for_base64(video.answer)


def _success(video: Video, base_url: str, content: Content | None) -> dict[str, Any]:
    said = dict(video.answer)
    if content:
        return {
            **said,
            "id": number(video),
            "output": [base64_of(content)],
            "proxy_links": [],
            "future_links": [],
        }
    links = [link_of(video, base_url)]
    return {
        **said,
        "id": number(video),
        "output": links,
        # The worker knows of the CDN before a bucket; what is kept here has none.
        "proxy_links": (said.get("proxy_links") if video.link else None) or links,
        "future_links": links,
    }


def _under_way(video: Video, family: Family, base_url: str, call: Call | None) -> dict[str, Any]:
    said = video.answer if video.state is State.IN_PROGRESS else {}
    known = _meta(said)
    asked = {} if known or call is None else _asked(call, video)
    meta = known or asked
    promised = said.get("future_links") or _promised(video, meta, base_url)
    return UnderWay(
        tip=TIP,
        message=MESSAGE,
        eta=UNKNOWN_ETA if video.eta is None else video.eta,
        id=number(video),
        fetch_result=f"{base_url}{family.folder}/fetch/{number(video)}",
        future_links=list(promised),
        meta=dict(meta),
        stage=str(said.get("stage") or "queue"),
        step=_whole(said.get("step")),
        total=_whole(said.get("total")),
        percent=video.progress,
    ).model_dump()


def _promised(video: Video, meta: Mapping[str, Any], base_url: str) -> list[str]:
    """Our own link, under which the video will be wherever the worker puts it."""
    if not meta or meta.get("base64") == "yes":
        return []
    is_gif = meta.get("output_type") == VideoFormat.GIF
    kind = VideoFormat.GIF if is_gif else VideoFormat.MP4
    return [link_of(replace(video, content_type=kind.content_type), base_url)]


def _asked(call: Call, video: Video) -> dict[str, Any]:
    """The meta of a call before the worker has settled it."""
    request = ModelsLab().decode_request(payload_of(call.endpoint, call.body))
    whole = replace(request, parameters=request.parameters.over(request.defaults))
    return meta_of(whole, video.job_id or video.id)


def _asked_for_base64(said: Mapping[str, Any]) -> bool:
    return _meta(said).get("base64") == "yes"


def _meta(said: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = said.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0

"""The gateway's own links to videos, which need no key."""

from __future__ import annotations

import base64
import re
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from ...generation import VideoFormat
from ..asking import PartsOf
from ..refusals import NotFound
from ..store.videos import Content
from ..video import Video
from .serving import served

router = APIRouter(tags=["videos"])

FOLDER = "/generated-videos"
#: Who has the id may read the video: it is 122 random bits.
FILE = re.compile(r"([0-9a-f]{32})\.(?:mp4|gif)", re.ASCII)


def link_of(video: Video, base_url: str) -> str:
    """Where a finished video is: in its bucket, or here."""
    if video.link:
        return video.link
    is_gif = video.content_type == VideoFormat.GIF.content_type
    return f"{base_url}{FOLDER}/{video.id}.{'gif' if is_gif else 'mp4'}"


def base64_of(content: Content) -> str:
    """A video's bytes as JSON carries them."""
    return base64.b64encode(content.data).decode("ascii")


@router.api_route(
    f"{FOLDER}/{{file}}",
    methods=["GET"],
    operation_id="generated_video",
    response_class=Response,
    responses={
        HTTPStatus.OK: {
            "description": "The video.",
            "content": {"video/mp4": {}, "image/gif": {}},
        },
        HTTPStatus.PARTIAL_CONTENT: {
            "description": "The part of it that `Range` asks for.",
            "content": {"video/mp4": {}, "image/gif": {}},
        },
        HTTPStatus.NOT_FOUND: {"description": "There is no such video, or not yet, or no more."},
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: {"description": "It is shorter than that."},
        HTTPStatus.BAD_GATEWAY: {"description": "Its bucket does not give it."},
        HTTPStatus.SERVICE_UNAVAILABLE: {"description": "The database cannot be reached."},
    },
)
@router.api_route(f"{FOLDER}/{{file}}", methods=["HEAD"], include_in_schema=False)
async def generated_video(file: str, request: Request, parts: PartsOf) -> Response:
    """A video's bytes, by the link that an answer gave."""
    name = FILE.fullmatch(file)
    video = await parts.videos.find(name[1]) if name else None
    if video is None or not video.is_there:
        raise NotFound(f"there is no video {file[:80]!r}")
    return await served(request, parts.contents, video, name=video.id, inline=True)

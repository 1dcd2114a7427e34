"""OpenAI's routes: who is called for what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from ...asking import Caller, PartsOf, caller
from ...contents import Variant
from ...video import State, Video
from ..serving import served
from . import schema
from .errors import error_body, refusals
from .failed import NO_RETRY, failed_record
from .record import Deleted, VideoList, VideoObject, failure_of, outward
from .videos import OpenAIVideos

router = APIRouter(prefix="/v1/videos", tags=["OpenAI"])

#: OpenAI's own, where a caller says nothing; vLLM-Omni would list everything.
PAGE = 20
#: Milliseconds: how soon OpenAI's client asks again, at the least and at the most.
SOONEST, LATEST = 500, 5_000

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="A call that is made again with the same one makes nothing twice.",
    ),
]
#: OpenAI's clients have methods for these routes; the documents need not tell of them.
UNLISTED: dict[str, Any] = {"include_in_schema": False, "dependencies": [Depends(caller)]}
BYTES = {"schema": {"type": "string", "format": "binary"}}
VIDEO = {"content": {"video/mp4": BYTES, "image/gif": BYTES}}


def _videos(parts: PartsOf, account: Caller) -> OpenAIVideos:
    return OpenAIVideos(parts, account)


Videos = Annotated[OpenAIVideos, Depends(_videos)]


@router.post("", responses=refusals(402, 409, 413), openapi_extra=schema.creating())
async def create(request: Request, videos: Videos, key: IdempotencyKey = None) -> VideoObject:
    """Have a video made. The answer comes at once; ask for the video by its id."""
    return videos.record(await videos.create(request, idempotency_key=key))


@router.post(
    "/sync",
    response_class=StreamingResponse,
    responses={**refusals(402, 404, 409, 413, 422, 504), 200: VIDEO},
    openapi_extra=schema.creating(),
)
async def make(request: Request, videos: Videos) -> Response:
    """Have a video made, and wait for its bytes. It is not kept; who hangs up stops it."""
    return await videos.make(request)


@router.get("", responses=refusals())
async def page(
    videos: Videos,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
    limit: Annotated[int, Query(ge=0, le=100)] = PAGE,
    order: Annotated[
        Literal["asc", "desc"], Query(description="By the time of the call.")
    ] = "desc",
) -> VideoList:
    """The caller's videos, page by page."""
    return await videos.page(after=after, limit=limit, order=order)


@router.post("/edits", responses=refusals(402, 404, 409, 413, 422), openapi_extra=schema.editing())
async def edit(request: Request, videos: Videos, key: IdempotencyKey = None) -> VideoObject:
    """Draw a video anew by a prompt: one that was made here, or one that is sent."""
    return videos.record(await videos.edit(request, idempotency_key=key))


@router.post("/extensions", **UNLISTED)
async def extend() -> JSONResponse:
    """Not done: no model here goes on with a video."""
    return _not_done("extensions: no model here goes on with a video; see /v1/videos/edits")


@router.post("/characters", **UNLISTED)
async def create_character() -> JSONResponse:
    """Not done: no model here knows characters."""
    return _not_done("characters: no model here knows them; give an input_reference")


@router.get("/{video_id}", responses=refusals(404, 409, 504))
async def retrieve(
    video_id: str, videos: Videos, parts: PartsOf, response: Response
) -> VideoObject:
    """What is known of a video. One that failed is 200 with `failed`, as OpenAI answers; with
    GATEWAY_FAILED_AS_ERROR its error's status, as vLLM-Omni does.
    """
    video = await videos.find(video_id)
    record = videos.record(video)
    if video.is_open:
        response.headers["openai-poll-after-ms"] = str(_soon(video))
    if failure_of(video) and parts.settings.failed_as_error:
        return failed_record(video, record)  # type: ignore[return-value]  # as it is, to FastAPI
    return record


@router.get(
    "/{video_id}/content",
    response_class=StreamingResponse,
    responses={
        **refusals(404, 409, 416, 422),
        200: {"content": {**VIDEO["content"], "image/webp": BYTES, "image/jpeg": BYTES}},
        206: {"description": "The part that a Range header asks for.", **VIDEO},
    },
)
async def content(
    request: Request,
    video_id: str,
    videos: Videos,
    parts: PartsOf,
    variant: Variant = Variant.VIDEO,
) -> Response:
    """The video's bytes; its first frame as a WebP; or a JPEG sheet of up to 16 frames."""
    video = await videos.find(video_id)
    name = outward(video.id)
    return await served(request, parts.contents, video, name=name, variant=variant)


@router.delete("/{video_id}", responses=refusals(404, 409))
async def delete(video_id: str, videos: Videos) -> Deleted:
    """Forget a video; one that is under way is stopped."""
    return Deleted(id=await videos.delete(video_id))


@router.post(
    "/{video_id}/remix", responses=refusals(402, 404, 409, 413), openapi_extra=schema.remixing()
)
async def remix(
    request: Request, video_id: str, videos: Videos, key: IdempotencyKey = None
) -> VideoObject:
    """The same once more with another prompt, as a video of its own."""
    return videos.record(await videos.remix(request, video_id, idempotency_key=key))


def _soon(video: Video) -> int:
    """Milliseconds until it is worth asking again."""
    if video.state is not State.IN_PROGRESS or video.eta is None:
        return 2 * SOONEST
    return int(min(max(video.eta * 250, SOONEST), LATEST))


def _not_done(what: str) -> JSONResponse:
    body: dict[str, Any] = error_body(501, f"Not supported: {what}", "not_supported")
    return JSONResponse(body, status_code=501, headers=NO_RETRY)

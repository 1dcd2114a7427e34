"""ModelsLab's URLs, old and new: each family of them has its endpoints and its fetch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ...asking import BaseUrl, PartsOf
from ...parts import Parts
from ...video import Call, Video
from . import bodies, schema
from .answers import Family, answer, wants_bytes

PLAIN = ("text2video", "img2video", "video2video")
ULTRA = ("text2video_ultra", "img2video_ultra")
V7 = ("text-to-video", "image-to-video", "video-to-video")
FAMILIES = (
    Family(folder="/api/v6/video", endpoints={name: name for name in PLAIN + ULTRA}),
    Family(folder="/api/v1/enterprise/video", endpoints={name: name for name in PLAIN + ULTRA}),
    Family(folder="/api/v1/enterprise/ultra_video", endpoints={"text2video": "text2video_ultra"}),
    Family(
        folder="/api/v1/enterprise/image_to_video_ultra",
        endpoints={"img2video": "img2video_ultra"},
    ),
    Family(folder="/api/v7/video-fusion", endpoints={name: name for name in V7}),
)
FETCH = "fetch/{number}"
#: The answer is made by hand: the worker's own words pass as they are.
BY_HAND: dict[str, Any] = {"response_class": JSONResponse, "response_model": None}


def _routes() -> APIRouter:
    """Every family's."""
    router = APIRouter(tags=["ModelsLab"])
    for family in FAMILIES:
        _add(router, family)
    return router


def _add(router: APIRouter, family: Family) -> None:
    """Serve a family's endpoints and its fetch."""
    for name, endpoint in family.endpoints.items():
        router.add_api_route(
            f"{family.folder}/{name}",
            _calls(family, endpoint),
            methods=["POST"],
            summary=f"Have a video made: {endpoint}",
            operation_id=_operation(family, name),
            responses=schema.call_responses(_operation(family, f"POST_{FETCH}")),
            openapi_extra=schema.call_body(endpoint),
            **BY_HAND,
        )
    _add_fetch(router, family, "POST", FETCH)
    _add_fetch(router, family, "GET", FETCH)
    _add_fetch(router, family, "POST", "fetch")


def _add_fetch(router: APIRouter, family: Family, method: str, path: str) -> None:
    has_number = "{number}" in path
    router.add_api_route(
        f"{family.folder}/{path}",
        _fetches_named(family) if has_number else _fetches(family),
        methods=[method],
        summary="A video as it is now",
        operation_id=_operation(family, f"{method}_{path}"),
        responses=schema.fetch_responses(),
        openapi_extra=None if method == "GET" else schema.fetch_body(has_number=has_number),
        **BY_HAND,
    )


def _calls(family: Family, endpoint: str) -> Callable[..., Awaitable[JSONResponse]]:
    async def call(request: Request, parts: PartsOf, base_url: BaseUrl) -> JSONResponse:
        async with bodies.read(request) as body:
            account = await bodies.account_of(request, parts, body)
            asked = await bodies.call_of(request, parts, account, endpoint, body)
        video = await parts.desk.submit(account, asked)
        if not bodies.at_once(body):
            video = await parts.desk.wait(account, video, parts.settings.wait_seconds)
        return await _answered(parts, video, family, base_url, asked)

    return call


def _fetches_named(family: Family) -> Callable[..., Awaitable[JSONResponse]]:
    async def fetch(
        number: str, request: Request, parts: PartsOf, base_url: BaseUrl
    ) -> JSONResponse:
        async with bodies.read(request) as body:
            account = await bodies.account_of(request, parts, body)
        video = await parts.desk.find_number(account, bodies.number_of(number))
        return await _answered(parts, video, family, base_url, None)

    return fetch


def _fetches(family: Family) -> Callable[..., Awaitable[JSONResponse]]:
    async def fetch(request: Request, parts: PartsOf, base_url: BaseUrl) -> JSONResponse:
        async with bodies.read(request) as body:
            account = await bodies.account_of(request, parts, body)
        number = bodies.number_of(bodies.number_in(body))
        video = await parts.desk.find_number(account, number)
        return await _answered(parts, video, family, base_url, None)

    return fetch


async def _answered(
    parts: Parts, video: Video, family: Family, base_url: str, call: Call | None
) -> JSONResponse:
    content = await parts.videos.content(video.id) if wants_bytes(video) else None
    told = answer(video, family=family, base_url=base_url, call=call, content=content)
    return JSONResponse(told)


def _operation(family: Family, name: str) -> str:
    words = f"{family.folder.removeprefix('/api/')}/{name}".replace("{number}", "number")
    return "modelslab_" + words.replace("/", "_").replace("-", "_").lower()


router = _routes()

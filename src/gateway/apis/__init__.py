"""The public faces: one file an API, and errors in each one's own words."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from ..refusals import Refusal
from . import links, localai, modelslab, openai, service

#: Everything that is served, but the page.
ROUTERS: tuple[APIRouter, ...] = (
    modelslab.router,
    openai.router,
    localai.router,
    links.router,
    service.router,
)


def error_body(
    path: str, *, status: int, message: str, code: str, param: str | None = None
) -> dict[str, Any]:
    """An error as the clients of the API under this path read it."""
    if path.startswith("/api/"):
        return modelslab.error_body(message)
    if path.startswith(("/video", "/generated-videos")):
        return localai.error_body(status, message)
    return openai.error_body(status, message, code, param)


def error_response(path: str, refusal: Refusal) -> JSONResponse:
    """A refusal as an answer, for what stands before the routes."""
    body = error_body(
        path,
        status=refusal.status,
        message=str(refusal),
        code=refusal.code,
        param=refusal.param,
    )
    return JSONResponse(body, status_code=refusal.status)

"""The application: routes, limits on what comes in, errors in each API's own words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from .apis import ROUTERS, error_body
from .body_limit import BodyLimit
from .page import mount_page
from .parts import Parts, build_parts
from .refusals import Refusal, Unavailable
from .settings import GatewaySettings

log = logging.getLogger(__name__)

MB = 1_000_000


def build_app(settings: GatewaySettings, *, parts: Parts | None = None) -> FastAPI:
    """The gateway, not serving yet. Raises ValueError for settings that do not go together."""
    made = parts or build_parts(settings)
    app = FastAPI(
        title="worker-video gateway",
        description="ModelsLab's, OpenAI's (vLLM-Omni's) and LocalAI's video APIs over one "
        "RunPod endpoint.",
        lifespan=_life,
    )
    app.state.parts = made
    for router in ROUTERS:
        app.include_router(router)
    mount_page(app)
    _handle_errors(app)
    origins = [item.strip() for item in settings.cors_origins.split(",") if item.strip()]
    app.add_middleware(BodyLimit, most=int(settings.max_body_mb * MB))
    made.metrics.watch(app)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Retry-After", "openai-poll-after-ms"],
        )
    return app


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    try:
        await parts.database.migrate()
    except Unavailable as refusal:  # calls are refused until it comes; they see to it then
        log.warning("serving without a database for now: %s", refusal)
    watching = asyncio.create_task(parts.watcher.run())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await parts.close()


def _handle_errors(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refusal)  # noqa: S101  for mypy: registered for it alone
        return _answer(
            request, error.status, str(error), error.code, error.param, error.retry_after
        )

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        message, param = _told(error)
        return _answer(request, 400, message, "invalid_request", param)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        answer = _answer(request, error.status_code, str(error.detail), "http_error")
        answer.headers.update(error.headers or {})
        return answer

    async def left(_: Request, __: Exception) -> Response:
        return Response(status_code=499)  # nginx's number, for its log: nobody reads this

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("failed unexpectedly", exc_info=error)
        return _answer(request, 500, "The gateway failed; the request is not at fault.", "internal")

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, left)
    app.add_exception_handler(Exception, unexpected)


def _answer(
    request: Request,
    status: int,
    message: str,
    code: str,
    param: str | None = None,
    retry_after: float | None = None,
) -> JSONResponse:
    body = error_body(request.url.path, status=status, message=message, code=code, param=param)
    headers = {"Retry-After": str(int(retry_after + 0.999))} if retry_after else {}
    return JSONResponse(body, status_code=status, headers=headers)


def _told(error: RequestValidationError) -> tuple[str, str | None]:
    """Every wrong field with its rule, without the values, and the first field."""
    problems = error.errors()
    named = [(".".join(map(str, item["loc"][1:])) or "body", item["msg"]) for item in problems]
    return "; ".join(f"{field}: {text}" for field, text in named), named[0][0] if named else None

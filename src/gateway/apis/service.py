"""The gateway's own: models, health, metrics, usage."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from ..accounts import Account
from ..asking import PartsOf, bearer
from ..billing import Billing, Line, Span, as_csv, day_of
from ..metrics import CONTENT_TYPE
from ..models import Model
from ..parts import Parts
from ..refusals import Refusal, Unauthorized
from .openai import error_body

router = APIRouter(tags=["service"])


class Told(BaseModel):
    """Why not."""

    message: str
    type: str
    param: str | None
    code: str


class Error(BaseModel):
    """A refusal, as OpenAI's clients read it."""

    error: Told


class ModelRecord(BaseModel):
    """One model, as OpenAI's clients read it; what follows `owned_by` is this gateway's own."""

    id: str = Field(description="What `model` and `model_id` may say.")
    object: Literal["model"] = "model"
    created: int = Field(0, description="Not known: always 0.")
    owned_by: str = Field(description="Whose weights they are.")
    aliases: list[str] = Field(description="What else it may be called.")
    tasks: list[str] = Field(description="text2video, img2video, video2video.")
    defaults: dict[str, Any] = Field(description="What holds where a request is silent.")
    limits: dict[str, float] = Field(description="The most of each: pixels are of one frame.")
    licence: str | None = Field(description="Of the weights.")
    is_default: bool = Field(description="Whether a request that names no model gets it.")


class ModelList(BaseModel):
    """The models that the endpoint serves."""

    object: Literal["list"] = "list"
    data: list[ModelRecord]


class Health(BaseModel):
    """Whether calls can be taken."""

    status: Literal["ok", "failing"]
    database: str = Field(description="`ok`, or what is wrong.")
    endpoint: dict[str, Any] | str | None = Field(
        None, description="The platform's own words, or what is wrong; with `endpoint=1`."
    )


class Bill(BaseModel):
    """What was used."""

    object: Literal["list"] = "list"
    since: str = Field(alias="from", description="The first day, in UTC.")
    until: str = Field(alias="to", description="The last day, in UTC.")
    data: list[Line]
    limits: dict[str, float | None] | None = Field(
        None, description="What the caller's own key may use in a month; null is without limit."
    )


def _refusals(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Error, "description": status.phrase} for status in statuses}


@router.get("/v1/models", operation_id="list_models")
async def models(parts: PartsOf) -> ModelList:
    """The models that the endpoint serves. Needs no key."""
    return ModelList(data=[_record(model) for model in parts.models.all()])


@router.get(
    "/v1/models/{model_id:path}",
    operation_id="retrieve_model",
    responses=_refusals(HTTPStatus.NOT_FOUND),
    response_model=ModelRecord,
)
async def model(model_id: str, parts: PartsOf) -> ModelRecord | JSONResponse:
    """One of them, by its id or an alias. Needs no key."""
    found = parts.models.find(model_id)
    if found:
        return _record(found)
    message = f"The model {model_id[:80]!r} does not exist"
    body = error_body(HTTPStatus.NOT_FOUND, message, "model_not_found", "model")
    return JSONResponse(body, status_code=HTTPStatus.NOT_FOUND)


@router.get(
    "/healthz",
    operation_id="health",
    response_model=Health,
    responses={
        HTTPStatus.SERVICE_UNAVAILABLE: {"model": Health, "description": "Not everything is."},
        **_refusals(HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED),
    },
)
async def healthz(
    request: Request,
    parts: PartsOf,
    endpoint: Annotated[bool, Query(description="Ask the platform as well; needs a key.")] = False,
) -> JSONResponse:
    """Whether the process runs and has its database. Needs no key."""
    account = await parts.accounts.of(bearer(request)) if endpoint else None
    health = Health(status="ok", database=await _database(parts))
    if account:
        health.endpoint = await _endpoint(parts, account)
    if health.database != "ok" or isinstance(health.endpoint, str):
        health.status = "failing"
    status = HTTPStatus.OK if health.status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(health.model_dump(), status_code=status)


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=PlainTextResponse,
    responses=_refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def metrics(request: Request, parts: PartsOf) -> Response:
    """For Prometheus; with the admin key as Bearer where one is set."""
    if parts.settings.admin_key and not _is_admin(request, parts):
        raise Unauthorized("the admin key is required")
    text = await parts.metrics.read(parts.videos, parts.usage)
    return Response(text, media_type=CONTENT_TYPE)


@router.get(
    "/v1/usage",
    operation_id="usage",
    response_model=Bill,
    responses={
        HTTPStatus.OK: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **_refusals(
            HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE
        ),
    },
)
async def usage(
    request: Request,
    parts: PartsOf,
    month: Annotated[str | None, Query(description="YYYY-MM; this month without it.")] = None,
    first: Annotated[str | None, Query(alias="from", description="Its first day.")] = None,
    last: Annotated[str | None, Query(alias="to", description="Its last day.")] = None,
    form: Annotated[
        Literal["json", "csv"] | None, Query(alias="format", description="Or by `Accept`.")
    ] = None,
) -> Response:
    """What the caller's key has used, or with the admin key what each has; days are UTC's."""
    span = Span.read(month=month, first=first, last=last, now=time.time())
    billing = Billing(parts.usage, parts.keys)
    account = None if _is_admin(request, parts) else await parts.accounts.of(bearer(request))
    lines = await (billing.of(account, span) if account else billing.of_all(span))
    if form == "csv" or (form is None and _prefers_csv(request)):
        return Response(as_csv(lines, span), media_type="text/csv")
    bill = Bill(
        **{"from": day_of(span.since), "to": day_of(span.until - 1)},
        data=list(lines),
        limits=asdict(account.allowance) if account else None,
    )
    return JSONResponse(bill.model_dump(by_alias=True))


def _record(model: Model) -> ModelRecord:
    entry = model.entry
    return ModelRecord(
        id=model.id,
        owned_by=entry.repo.partition("/")[0] if entry else "operator",
        aliases=list(entry.aliases) if entry else [],
        tasks=list(model.tasks),
        defaults=dict(model.defaults),
        limits=entry.limits.model_dump() if entry else {},
        licence=entry.licence if entry else None,
        is_default=model.is_default,
    )


async def _database(parts: Parts) -> str:
    try:
        await parts.database.ping()
    except Refusal as refusal:
        return str(refusal)
    return "ok"


async def _endpoint(parts: Parts, account: Account) -> dict[str, Any] | str:
    try:
        return await parts.endpoint.health(key=account.platform_key)
    except Refusal as refusal:
        return str(refusal)


def _is_admin(request: Request, parts: Parts) -> bool:
    admin, said = parts.settings.admin_key, bearer(request)
    if admin is None or said is None:
        return False
    return secrets.compare_digest(admin.get_secret_value().encode(), said.encode())


def _prefers_csv(request: Request) -> bool:
    kinds = [
        item.partition(";")[0].strip() for item in request.headers.get("Accept", "").split(",")
    ]
    return "text/csv" in kinds and "application/json" not in kinds

"""What every route asks of its request: the parts, who calls, and how the gateway is reached."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from .accounts import Account
from .parts import Parts


def parts(request: Request) -> Parts:
    """The running gateway's parts."""
    found: Parts = request.app.state.parts
    return found


def bearer(request: Request) -> str | None:
    """The key of the Authorization header, with or without the word Bearer."""
    said = request.headers.get("Authorization", "").strip()
    scheme, _, rest = said.partition(" ")
    if scheme.casefold() == "bearer":
        said = rest.strip()
    return said or None


async def caller(request: Request) -> Account:
    """Who calls, by the header; ModelsLab's routes also look into the body. Raises Unauthorized."""
    return await parts(request).accounts.of(bearer(request))


def base_url(request: Request) -> str:
    """How callers reach this gateway, without a slash at its end."""
    said = parts(request).settings.public_url
    return (said or str(request.base_url)).rstrip("/")


PartsOf = Annotated[Parts, Depends(parts)]
Caller = Annotated[Account, Depends(caller)]
BaseUrl = Annotated[str, Depends(base_url)]

"""Bodies of `/v1/videos`: forms with files, plain forms, or JSON, read as one object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..bodies import keepable, read_object
from ..refusals import BadRequest
from ..uploads import Upload
from .nesting import nested

#: Fields, and files, of one form.
MOST_FIELDS, MOST_FILES = 500, 16
#: Escapes (%2B) of a form that is not multipart, each of which takes 200 bytes to read: more than
#: the base64 of a whole job has.
MOST_ESCAPES = 500_000
#: A data URI may be a field, and what comes in altogether is limited before this.
NO_LIMIT = 1 << 40


@asynccontextmanager
async def body_of(request: Request) -> AsyncIterator[dict[str, Any]]:
    """The request's body as one object; files in it are Uploads, and open in this block alone.

    A form is told by the content type, and JSON by how it begins, since curl calls everything a
    form that it is not told about. Bracketed names become objects and arrays. Raises BadRequest.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().casefold()
    if kind == "multipart/form-data":
        async with _form_of(request) as body:
            # Fields may be megabytes of base64, which takes a while to go through.
            yield await asyncio.to_thread(keepable, body)
        return
    raw = await request.body()
    if kind == "application/x-www-form-urlencoded" and not raw.lstrip().startswith(b"{"):
        yield keepable(await asyncio.to_thread(_fields, raw))
    else:
        yield await read_object(raw)


@asynccontextmanager
async def _form_of(request: Request) -> AsyncIterator[dict[str, Any]]:
    """A form with files, which starlette keeps on disk as they come."""
    try:
        form = await request.form(
            max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=NO_LIMIT
        )
    except HTTPException as error:
        raise BadRequest(f"the form cannot be read: {error.detail}") from error
    except (ValueError, LookupError) as error:  # a charset that is none
        raise BadRequest("the form cannot be read") from error
    try:
        yield nested(_said(form.multi_items()))
    finally:
        await form.close()


def _said(items: Iterable[tuple[str, UploadFile | str]]) -> Iterable[tuple[str, Upload | str]]:
    """What a form says; a file that was not chosen is not said."""
    for name, value in items:
        if isinstance(value, str):
            yield name, value
        elif value.filename or value.size:
            yield name, Upload(file=value.file, size=value.size or 0)


def _fields(raw: bytes) -> dict[str, Any]:
    if raw.count(b"%") > MOST_ESCAPES:
        rule = f"must have at most {MOST_ESCAPES} escapes; send it as multipart/form-data or JSON"
        raise BadRequest(f"a form {rule}")
    try:
        text = raw.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        rule = f"must be of at most {MOST_FIELDS} fields in UTF-8"
        raise BadRequest(f"a form {rule}") from error
    return nested(pairs)

"""Media that came inside the request: data URIs and bare base64."""

import re
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from ..errors import InvalidRequest
from .limits import check_bytes

_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_URL_SAFE = str.maketrans("-_", "+/")


def decode_inline(value: str, *, field: str, max_bytes: int) -> bytes:
    """The bytes of a data URI (base64 or percent-encoded) or of bare base64.

    Standard and URL-safe alphabets, with or without padding and white space. Raises
    InvalidRequest, or MediaTooLarge before anything is decoded.
    """
    header, comma, payload = value.partition(",")
    if header[:5].lower() != "data:":
        return _from_base64(value, field=field, max_bytes=max_bytes)
    if not comma:
        raise InvalidRequest(f"{field}: a data URI has a comma before its data; this one has none")
    if header.lower().replace(" ", "").endswith(";base64"):
        text = unquote_to_bytes(payload).decode("latin-1")
        return _from_base64(text, field=field, max_bytes=max_bytes)
    return _from_percents(payload, field=field, max_bytes=max_bytes)


def _from_base64(text: str, *, field: str, max_bytes: int) -> bytes:
    letters = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    if not letters or len(letters) % 4 == 1 or not _BASE64.fullmatch(letters):
        raise InvalidRequest(
            f"{field}: must be an http(s) URL, a data URI or base64, "
            f"got {len(text)} characters that are none of them"
        )
    check_bytes(len(letters) * 3 // 4, field=field, limit=max_bytes)
    return b64decode(letters + "=" * (-len(letters) % 4))


def _from_percents(payload: str, *, field: str, max_bytes: int) -> bytes:
    data = unquote_to_bytes(payload)
    check_bytes(len(data), field=field, limit=max_bytes)
    return data

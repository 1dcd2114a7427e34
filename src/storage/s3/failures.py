"""What went wrong at a bucket, in words that whoever can mend it understands.

No message carries a secret, a URL or the server's own text: only names, keys and S3's codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...addresses import AddressRefused
from ...errors import BlockedUrl, StorageError
from .body import Stopped
from .place import Names, Place

if TYPE_CHECKING:
    from collections.abc import Callable

#: A code as S3 makes them; another server's odd text stays out.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]{1,63}")

_HINTS: dict[str, Callable[[Names], str]] = {
    "AccessDenied": lambda names: (
        f"the key of {names.access_key_id} may not do this in this bucket: see its policy, "
        f"and whether {names.bucket} is the right bucket"
    ),
    "NoSuchBucket": lambda names: f"there is no such bucket: see {names.bucket}",
    "SignatureDoesNotMatch": lambda names: (
        f"the secret does not belong to the key: see {names.secret_access_key}"
    ),
    "InvalidAccessKeyId": lambda names: f"the key is not known: see {names.access_key_id}",
    "AuthorizationHeaderMalformed": lambda names: f"the region is wrong: see {names.region}",
    "PermanentRedirect": lambda names: (
        f"the bucket lives elsewhere: see {names.endpoint_url} and {names.region}"
    ),
    "400": lambda names: f"that is often the region: see {names.region}",
    "RequestTimeTooSkewed": lambda _: "the clock of this machine is wrong",
}
_SAME_HINT = {
    "403": "AccessDenied",
    "Forbidden": "AccessDenied",
    "AllAccessDisabled": "AccessDenied",
    "InvalidBucketName": "NoSuchBucket",
    "IllegalLocationConstraintException": "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError": "AuthorizationHeaderMalformed",
    "301": "PermanentRedirect",
}

#: botocore's exceptions in words, the most specific first.
_REASONS = (
    ("EndpointConnectionError", "it cannot be reached"),
    ("ConnectTimeoutError", "it cannot be reached in time"),
    ("SSLError", "it cannot be reached over TLS"),
    ("ProxyConnectionError", "the proxy cannot be reached"),
    ("ReadTimeoutError", "it did not answer in time"),
    ("ConnectionClosedError", "the connection broke off"),
)


def code_of(error: Exception) -> str:
    """S3's code of a ClientError, such as `NoSuchKey` or, after a HEAD, `404`; else nothing."""
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    code = str((response.get("Error") or {}).get("Code") or "")
    return code if _CODE.fullmatch(code) or code.isdigit() else "an unknown code"


def status_of(error: Exception) -> int:
    """The HTTP status of a ClientError; 0 where there was no answer."""
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return 0
    return int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)


@contextmanager
def explained(place: Place, doing: str) -> Iterator[None]:
    """Turn what botocore and the network raise into StorageError, or BlockedUrl for an address
    that was refused. `doing` completes "cannot ...".
    """
    from .connections import OtherRegion

    try:
        yield
    except AddressRefused as error:
        raise BlockedUrl(
            f"{place.names.endpoint_url}: {place.endpoint_url} points to a private address, "
            "and this worker stores at public ones only"
        ) from error
    except Stopped as error:
        raise _failure(place, doing, str(error)) from error
    except OtherRegion as error:
        why = f"it is in the region {str(error)!r}, see {place.names.region}"
        raise _failure(place, doing, why) from None
    except client_error() as error:
        raise _failure(place, doing, _words(place, code_of(error))) from None
    except other_errors() as error:
        # Not chained: botocore's messages have the URL in them, signature and all.
        raise _failure(place, doing, _reason(place, error)) from None


def _failure(place: Place, doing: str, why: str) -> StorageError:
    message = f"bucket {place.bucket!r}: cannot {doing}: {why}"
    # The owner of a bucket that a request named is who can mend it.
    return StorageError(message, public=message if place.is_callers else None)


def _words(place: Place, code: str) -> str:
    hint = _HINTS.get(_SAME_HINT.get(code, code))
    answer = f"it answered {code or 'nothing that is S3'}"
    return f"{answer}; {hint(place.names)}" if hint else answer


def _reason(place: Place, error: Exception) -> str:
    kinds = [kind.__name__ for kind in type(error).__mro__]
    for kind, words in _REASONS:
        if kind in kinds:
            return f"{words} (see {place.names.endpoint_url})"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"it answered nothing that is S3 ({type(error).__name__})"


def client_error() -> type[Exception]:
    """Botocore's exception for an answer that is an error, without importing it too early."""
    from botocore.exceptions import ClientError

    return ClientError  # type: ignore[no-any-return]  # botocore ships no types


def other_errors() -> tuple[type[Exception], ...]:
    """What else a client raises: failures of the network, and of reading an answer that is not
    what S3 says.
    """
    from botocore.exceptions import BotoCoreError
    from botocore.parsers import ResponseParserError

    return (BotoCoreError, ResponseParserError, OSError, LookupError, ValueError, TypeError)

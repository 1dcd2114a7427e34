"""What can go wrong between a client and S3, and when it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from .wire import headers_of


@dataclass(frozen=True)
class Reset:
    """The connection is reset as soon as the request's head was read; S3 never hears of it."""


@dataclass(frozen=True)
class Status:
    """An error in S3's XML instead of S3's answer; S3 never hears of the request."""

    status: int = 503
    code: str = "SlowDown"


@dataclass(frozen=True)
class Slow:
    """S3's answer comes late, or both bodies trickle."""

    #: Before the answer is passed on; S3 has done what was asked by then.
    seconds: float = 0.0
    bytes_per_second: float | None = None


@dataclass(frozen=True)
class CutUpload:
    """Both connections are reset after this many bytes of the request's body.

    The reset may overtake the last of them.
    """

    after: int


@dataclass(frozen=True)
class CutAnswer:
    """The connection is reset after this many bytes of the answer's body.

    The reset may overtake the last of them. None: before the answer's first byte, so that S3 has
    done it and nobody knows.
    """

    after: int | None = None


@dataclass(frozen=True)
class GoDown:
    """Every connection is reset and nothing listens any more, until `FaultProxy.up`."""


Fault = Reset | Status | Slow | CutUpload | CutAnswer | GoDown


@dataclass
class Seen:
    """A request that came by; signatures, credentials and dates of a presigned URL left out."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    #: What was answered, before the first byte of it was passed on; None where nothing was.
    status: int | None = None
    #: What was done to it.
    fault: Fault | None = None

    @property
    def operation(self) -> str:
        """S3's name of it, `PutObject`, as far as method, path and query tell; path style only."""
        has_key = "/" in self.path.lstrip("/")
        for method, needs_key, word, name in OPERATIONS:
            if (method, needs_key) == (self.method, has_key) and word in {None, *self.query}:
                return name
        return self.method


#: Method, whether there is a key, a word of the query that tells it apart, name; the first holds.
OPERATIONS = (
    ("POST", True, "uploads", "CreateMultipartUpload"),
    ("PUT", True, "partNumber", "UploadPart"),
    ("POST", True, "uploadId", "CompleteMultipartUpload"),
    ("DELETE", True, "uploadId", "AbortMultipartUpload"),
    ("GET", True, "uploadId", "ListParts"),
    ("PUT", True, "tagging", "PutObjectTagging"),
    ("GET", True, "tagging", "GetObjectTagging"),
    ("PUT", True, None, "PutObject"),
    ("GET", True, None, "GetObject"),
    ("HEAD", True, None, "HeadObject"),
    ("DELETE", True, None, "DeleteObject"),
    ("GET", False, "uploads", "ListMultipartUploads"),
    ("GET", False, "lifecycle", "GetBucketLifecycleConfiguration"),
    ("PUT", False, "lifecycle", "PutBucketLifecycleConfiguration"),
    ("GET", False, "list-type", "ListObjectsV2"),
    ("POST", False, "delete", "DeleteObjects"),
    ("HEAD", False, None, "HeadBucket"),
    ("PUT", False, None, "CreateBucket"),
    ("DELETE", False, None, "DeleteBucket"),
)


@dataclass
class Rule:
    """A fault, and the requests that it meets."""

    fault: Fault
    #: A method (`PUT`) or an operation (`UploadPart`); None for any.
    on: str | None = None
    where: Callable[[Seen], bool] | None = None
    #: How many matching requests go by before it, and how many it then meets; None for ever.
    skip: int = 0
    times: int | None = None
    #: How many requests have matched so far.
    matched: int = 0

    def meets(self, seen: Seen) -> bool:
        """Whether it is this request's turn; counts it."""
        if not self._matches(seen):
            return False
        number = self.matched
        self.matched += 1
        return number >= self.skip and (self.times is None or number < self.skip + self.times)

    def _matches(self, seen: Seen) -> bool:
        named = self.on is None or self.on in {seen.method, seen.operation}
        return named and (self.where is None or self.where(seen))


def seen_in(head: bytes) -> Seen:
    """The head of a request as a record."""
    method, target, _ = head.decode("latin-1").split(" ", 2)
    url = urlsplit(target)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    headers = headers_of(head)
    headers.pop("authorization", None)
    shown = {name: value for name, value in query.items() if not _is_signing(name)}
    return Seen(method, url.path, shown, headers)


def _is_signing(name: str) -> bool:
    lower = name.lower()
    return lower.startswith("x-amz-") or lower in {"signature", "awsaccesskeyid", "expires"}

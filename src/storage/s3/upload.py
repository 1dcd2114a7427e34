"""Bytes on their way into a bucket: in one request or in parts, verified, nothing left over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import StorageError
from .body import Body, read_stretch
from .client import Clients
from .failures import client_error, code_of, other_errors, status_of
from .guard import Guard
from .multipart import Multipart, expected_etag
from .unfinished import Unfinished

log = logging.getLogger(__name__)

#: Failures of one transfer, not of the bucket: the file is sent once more.
_SEND_AGAIN = (
    "BadDigest",
    "IncompleteBody",
    "InvalidPart",
    "NoSuchUpload",
    "XAmzContentSHA256Mismatch",
)
#: Statuses that say nothing about what was asked for.
_SERVERS_FAULT = (0, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bytes above which a file goes up in parts, and of one part. S3 refuses parts below 5 MiB,
    but for the last.
    """

    multipart_above: int = 16 * 1024 * 1024
    part: int = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Headers:
    """What is said of a file besides its bytes."""

    key: str
    #: Parameters of PutObject and CreateMultipartUpload.
    words: dict[str, Any]
    temp: bool = False


@dataclass(kw_only=True)
class Uploader:
    """Sends files to one place. Raises what botocore raises, Stopped, and StorageError where
    the bucket has something else than was sent.
    """

    clients: Clients
    unfinished: Unfinished
    sizes: Sizes
    #: Seconds after which a file that could not be sent is sent once more, and how often so.
    pauses: tuple[float, ...] = ()
    _takes_tags: bool = field(default=True, init=False)

    def send(self, path: Path, headers: Headers, guard: Guard) -> None:
        """Put the file there, with more patience than the client has for one request: what is in
        it has cost minutes.
        """
        for pause in self.pauses:
            try:
                self._send_whole(path, headers, guard)
            except (client_error(), *other_errors()) as error:
                if not _may_pass(error):
                    raise
                log.warning("storing %s did not work; once more in %g s", headers.key, pause)
                guard.wait(pause)
            else:
                return
        self._send_whole(path, headers, guard)

    def _send_whole(self, path: Path, headers: Headers, guard: Guard) -> None:
        """Once more at once if it was spoilt on its way."""
        try:
            self._send(path, headers, guard)
        except client_error() as error:
            if code_of(error) not in _SEND_AGAIN:
                raise
            guard.renew()
            self._send(path, headers, guard)

    def _send(self, path: Path, headers: Headers, guard: Guard) -> None:
        guard()
        size = path.stat().st_size
        if size <= self.sizes.multipart_above:
            self.put(read_stretch(path, 0, size), headers, guard)
        else:
            self._put_in_parts(path, size, headers, guard)

    def put(self, data: bytes, headers: Headers, guard: Guard) -> None:
        """Put a few bytes there in one request."""
        body = Body(data, guard)

        def put(tags: dict[str, str]) -> Any:  # noqa: ANN401  botocore ships no types
            body.seek(0)
            return self.clients.patient.put_object(
                Body=body, ContentMD5=body.content_md5, **headers.words, **tags
            )

        answer = self._tagged(headers, put)
        self._verify(headers.key, len(data), answer.get("ETag"), body.md5.hex())

    def _put_in_parts(self, path: Path, size: int, headers: Headers, guard: Guard) -> None:
        self.unfinished.abort_all(headers.key)
        created: dict[str, Any] = {}
        try:
            created = self._tagged(headers, self._creator(headers))
            with self.unfinished.running(created["UploadId"]):
                upload = Multipart(
                    client=self.clients.patient,
                    bucket=self.clients.place.bucket,
                    key=headers.key,
                    upload_id=created["UploadId"],
                    path=path,
                    size=size,
                    part_size=self.sizes.part,
                    guard=guard,
                )
                self._finish(upload)
        except BaseException:
            self.unfinished.abort(headers.key, created.get("UploadId"))
            raise
        finally:
            if created.get("ResponseMetadata", {}).get("RetryAttempts"):
                self.unfinished.abort_all(headers.key)  # of a first answer that was lost

    def _creator(self, headers: Headers) -> Callable[[dict[str, str]], Any]:
        create = self.clients.patient.create_multipart_upload
        return lambda tags: create(**headers.words, **tags)

    def _finish(self, upload: Multipart) -> None:
        parts = upload.send()
        upload.guard()
        expected = expected_etag(parts)
        try:
            etag = upload.complete(parts)
        except (client_error(), *other_errors()):
            # The answer may have been lost after the object was made.
            if self._etag_of(upload.key) != expected:
                raise
            return
        self._verify(upload.key, upload.size, etag, expected)

    def _etag_of(self, key: str) -> str | None:
        try:
            return _bare(self.clients.quick.head_object(**self._at(key)).get("ETag"))
        except (client_error(), *other_errors()):
            return None

    def _verify(self, key: str, size: int, etag: str | None, expected: str) -> None:
        """See that the bucket has what was sent. Some servers' ETag is of another make: then the
        size has to do, since Content-MD5 has guarded the bytes on their way.
        """
        if _bare(etag) == expected:
            return
        stored = self.clients.patient.head_object(**self._at(key))["ContentLength"]
        if stored != size:
            raise StorageError(
                f"bucket {self.clients.place.bucket!r}: {key!r} has {stored} bytes there "
                f"instead of {size}"
            )

    def _tagged(self, headers: Headers, send: Callable[[dict[str, str]], Any]) -> Any:  # noqa: ANN401
        """Send with the tag of what is temporary; without it where tags are not known."""
        if not headers.temp or not self._takes_tags:
            return send({})
        try:
            return send({"Tagging": "temp=true"})
        except client_error() as error:
            if status_of(error) in _SERVERS_FAULT:
                raise
        answer = send({})
        self._takes_tags = False
        return answer

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.clients.place.bucket, "Key": key}


def _may_pass(error: Exception) -> bool:
    """Whether the same may work a little later: the server's failure, or the network's. One that
    was given its time, as often as the client asks, and never answered has had its chance.
    """
    from botocore.exceptions import ReadTimeoutError

    if isinstance(error, ReadTimeoutError):
        return False
    status = status_of(error)
    return status in (0, 408, 429) or status >= 500


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"').lower()

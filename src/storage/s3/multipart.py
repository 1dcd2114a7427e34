"""A file that goes up in parts, several of them at once."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .body import Body, read_stretch
from .guard import Guard, Halted

#: Parts on their way at once; each is held in memory.
PARALLEL = 4


@dataclass(frozen=True)
class Part:
    """One part that the bucket has."""

    number: int
    etag: str
    md5: bytes


@dataclass(frozen=True, kw_only=True)
class Multipart:
    """One upload that has been created."""

    client: Any
    bucket: str
    key: str
    upload_id: str
    path: Path
    size: int
    part_size: int
    guard: Guard

    def send(self) -> list[Part]:
        """All parts, in order. When it ends, no part is on its way any more, whether it went
        well or raised what the first failing part raised: an abort then leaves nothing behind.
        """
        offsets = range(0, self.size, self.part_size)
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="upload") as pool:
            parts = [
                pool.submit(self._send_part, number, offset)
                for number, offset in enumerate(offsets, start=1)
            ]
        # A part that ended because another one failed says less than the one that failed.
        errors = [error for part in parts if (error := part.exception())]
        for error in sorted(errors, key=_is_follower):
            raise error
        return [part.result() for part in parts]

    def complete(self, parts: list[Part]) -> str:
        """Make one object of them; gives its ETag."""
        answer = self.client.complete_multipart_upload(
            Bucket=self.bucket,
            Key=self.key,
            UploadId=self.upload_id,
            MultipartUpload={
                "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
            },
        )
        return str(answer.get("ETag") or "")

    def _send_part(self, number: int, offset: int) -> Part:
        try:
            self.guard()
            body = Body(read_stretch(self.path, offset, self.part_size), self.guard)
            answer = self.client.upload_part(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=self.upload_id,
                PartNumber=number,
                Body=body,
                ContentMD5=body.content_md5,
            )
        except BaseException:
            self.guard.halt()
            raise
        return Part(number, answer["ETag"], body.md5)


def expected_etag(parts: list[Part]) -> str:
    """What S3 makes the object's ETag from: the MD5 of the parts' MD5s, and their number."""
    digest = hashlib.md5(b"".join(part.md5 for part in parts), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(parts)}"


def _is_follower(error: BaseException) -> bool:
    return isinstance(error, Halted)

"""The large pieces of a body: files that came with it, and images or videos in its texts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ...errors import RequestError
from ...media.inline import decode_inline
from ..refusals import BadRequest
from .kinds import HEAD, Kind, is_media, kind_of

#: Texts of fewer characters stay where they are.
LARGE = 100_000
#: About what a signed link takes in a body, in bytes.
LINK = 2_000
#: A data URI's words before its data, in bytes, at most.
_BEFORE = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Upload:
    """A file that came with a form. It is read where it is, so that it must stay open."""

    file: BinaryIO
    #: In bytes.
    size: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """One file or one large text of a body."""

    #: The field that it stands in, for messages.
    field: str
    value: Upload | str

    @property
    def size(self) -> int:
        """Bytes that it takes in the body's JSON, as a data URI or as it is."""
        if isinstance(self.value, str):
            return len(self.value)
        return _in_base64(self.value.size)

    def kind(self) -> Kind:
        """By its first bytes. Raises BadRequest for what is no image and no video."""
        if isinstance(self.value, str):
            return kind_of(self.read()[:HEAD], field=self.field)
        self.value.file.seek(0)
        return kind_of(self.value.file.read(HEAD), field=self.field)

    def read(self) -> bytes:
        """All of it; blocks. Raises BadRequest for a text that cannot be read after all."""
        if isinstance(self.value, Upload):
            self.value.file.seek(0)
            return self.value.file.read()
        try:
            return decode_inline(self.value, field=self.field, max_bytes=len(self.value))
        except RequestError as error:
            raise BadRequest(str(error), param=self.field) from error

    def in_line(self) -> str:
        """A data URI of it; blocks. Raises BadRequest."""
        content_type = self.kind().content_type
        return f"data:{content_type};base64,{base64.b64encode(self.read()).decode('ascii')}"


def pieces_of(body: Mapping[str, Any]) -> list[Piece]:
    """Every file, and every large text that is an image or a video."""
    return [
        Piece(field=name, value=leaf)
        for name, value in body.items()
        for leaf in _leaves(value)
        if isinstance(leaf, Upload) or (len(leaf) >= LARGE and is_media(leaf))
    ]


def size_of(body: Mapping[str, Any]) -> int:
    """Bytes of the body's JSON, with every file as a data URI."""
    files = [leaf for value in body.values() for leaf in _leaves(value) if isinstance(leaf, Upload)]
    text = json.dumps(body, default=lambda _: "")
    return len(text) + sum(_in_base64(file.size) for file in files)


def replaced(value: Any, references: Mapping[int, str]) -> Any:  # noqa: ANN401  JSON
    """The same with a reference for each leaf that has one, by its `id`."""
    if isinstance(value, Mapping):
        return {name: replaced(item, references) for name, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, references) for item in value]
    return references.get(id(value), value)


def _leaves(value: object) -> Iterator[Upload | str]:
    if isinstance(value, Upload | str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def _in_base64(size: int) -> int:
    return _BEFORE + (size + 2) // 3 * 4

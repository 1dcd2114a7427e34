"""RunPod's envelope around a request: its id, its input, and what else rides along."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .errors import field_error

#: Job ids that may name a file as they are; RunPod's are such (a uuid and a region).
SAFE_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)

#: What a caller may change between two tries of one request without asking for another video.
NOT_THE_REQUEST = ("key", "webhook", "track_id", "instant_response", "request_id")
#: Where the platform puts a body that came to its own /openai/....
WRAPPED = "openai_input"


@dataclass(frozen=True)
class Job:
    """One job as the platform hands it in; nothing of its input is checked here."""

    envelope: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The platform's name of it; the same when it is handed out again."""
        return str(self.envelope.get("id"))

    @property
    def payload(self) -> Mapping[str, Any]:
        """The request's body. Raises InvalidRequest where the input is no object."""
        payload = self.envelope.get("input")
        if not isinstance(payload, Mapping):
            # Its kind alone: a text may be a prompt, and the message goes into the log.
            raise field_error("input", type(payload).__name__, "must be a JSON object")
        return payload

    @property
    def s3_config(self) -> object:
        """The caller's own bucket as it came, or None."""
        return self.envelope.get("s3Config")

    @property
    def waits(self) -> bool:
        """Whether the caller holds a connection open for the result (/runsync, 20 MB) rather than
        asking for it later (/run, 10 MB): the platform marks such ids.
        """
        return self.id.startswith("sync-")

    @cached_property
    def name(self) -> str:
        """What its own notes go by: the id, or a uuid made from one that cannot name a file."""
        if SAFE_ID.fullmatch(self.id):
            return self.id
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.id))

    @cached_property
    def request_id(self) -> str | None:
        """The caller's own name of the request, if there is one that can name a file; dialects
        refuse others.
        """
        has_fields = isinstance(self.envelope.get("input"), Mapping)
        for name, value in self._fields().items() if has_fields else ():
            if name.strip() == "request_id" and isinstance(value, str):
                return value.strip() if SAFE_ID.fullmatch(value.strip()) else None
        return None

    @cached_property
    def file_prefix(self) -> str:
        """The stem of its file's name: the job's own name, or one that all jobs of this request
        have in common, where the caller has named it.
        """
        if self.request_id is None:
            return self.name
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.request_id}/{self.digest}"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what is asked for, in hex: two requests of one digest want one video."""
        asked = {
            name: value
            for name, value in self._fields().items()
            if name.strip().casefold() not in NOT_THE_REQUEST
        }
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _fields(self) -> dict[str, Any]:
        """The request's fields, out of the platform's wrapping too."""
        inner = self.payload.get(WRAPPED)
        if not isinstance(inner, Mapping):
            return dict(self.payload)
        return {name: value for name, value in self.payload.items() if name != WRAPPED} | {**inner}

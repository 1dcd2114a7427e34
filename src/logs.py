"""Logs: one line per event on stderr, which names its job and holds no secret.

Knows no platform and no room. What a line says beyond its sentence is given by logging's own
`extra=`.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

Form = Literal["auto", "json", "text"]

#: Libraries whose INFO is of no use to whoever runs a worker; some print secrets below it.
CHATTY = (
    "aiohttp.access",
    "asyncio",
    "boto3",
    "botocore",
    "diffusers",
    "filelock",
    "huggingface_hub",
    "PIL",
    "s3transfer",
    "transformers",
    "urllib3",
)

#: What every record has; anything else was given with `extra=`.
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}

_job: ContextVar[str | None] = ContextVar("job", default=None)


def set_up(level: str, form: Form = "auto", *, on_platform: bool) -> None:
    """Send every logger's lines to stderr: as JSON on the platform, as text elsewhere.

    `level` is for our own lines; other people's never come below INFO.
    """
    as_json = on_platform if form == "auto" else form == "json"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if as_json else TextLines())
    least = logging.getLevelNamesMapping()[level]
    # Importing the platform's SDK sets up another form, hence the force.
    logging.basicConfig(handlers=[handler], level=max(least, logging.INFO), force=True)
    logging.getLogger(__name__.partition(".")[0]).setLevel(least)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
    logging.captureWarnings(True)


@contextmanager
def job_scope(job_id: str) -> Iterator[None]:
    """Have every line in the block name this job; tasks and `asyncio.to_thread` carry it on."""
    token = _job.set(job_id)
    try:
        yield
    finally:
        _job.reset(token)


class JsonLines(logging.Formatter):
    """One JSON object per event: time, level, event, job_id, what `extra=` gave, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat("T", "milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
        }
        if job := _job.get():
            line["job_id"] = job
        # What is ours to say cannot be said otherwise by an extra.
        line |= {name: value for name, value in _extras(record).items() if name not in line}
        if trace := _trace(self, record):
            line["traceback"] = trace
        return json.dumps(_clean(line))


class TextLines(logging.Formatter):
    """For a terminal, in the form of the platform's SDK: `INFO   | job | event name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback stands below it."""
        job = _job.get()
        words = [f"{record.levelname:<7}|", f"{job} |" if job else "", record.getMessage()]
        words += [f"{name}={value}" for name, value in _clean(_extras(record)).items()]
        line = " ".join(filter(None, words))
        trace = _trace(self, record)
        return redacted(f"{line}\n{trace}" if trace else line)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


# --- what no line may hold ------------------------------------------------------------------------

HIDDEN = "***"

#: Found as a whole and then cut, so that a long line of them does not take long.
_URL = re.compile(r"://[^\s\"'<>\\]+")

_QUOTED = r"""\\["'][^"'\\]*\\["']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_IS = r"""(?:(?:\\*["'])?\s*[:=]|\\*["']\s*,)\s*b?"""
_NAME = (
    r"(?:[\w-]{0,40}[_-])?(?:api|access|secret|session|private)*"
    r"(?:key|secret|token|password|passphrase|signature|credential)(?:_?id)?"
)
_HEADER = r"(?:proxy-)?authorization|(?:set-)?cookie"
_SECRET_NAME = re.compile(rf"{_NAME}|{_HEADER}", re.IGNORECASE)

#: The group stays, the rest of what is found goes.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Header values hold spaces and commas: without quotes they go on to the end of the line.
        rf"((?:{_HEADER}){_IS})(?:{_QUOTED}|[^\r\n]+)",
        r"\b(bearer |basic )[\w.~+/=-]{8,}",
        # The query of a path that a library prints without its host.
        r"([?&])[\w.%~\[\]-]{1,80}=[^\s\"'<>\\]*",
        rf"(?<![\w-])({_NAME}{_IS})(?:{_QUOTED}|[^\s,;&\"'<>(){{}}\[\]]+)",
        r"\b(hf_|rpa_|whsec_|gh[opsu]_|sk-|AKIA|ASIA)[\w+/-]{8,}={0,2}",
    )
)


def redacted(text: str) -> str:
    """The text without what could be used by whoever reads it: signatures, passwords, keys.

    >>> redacted("PUT https://bucket.example.com/a.mp4?X-Amz-Signature=c0ffee")
    'PUT https://bucket.example.com/a.mp4?***'
    """
    text = _URL.sub(_bare, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def _bare(url: re.Match[str]) -> str:
    """A URL without its user, password, query and fragment."""
    place, *rest = re.split("[?#]", url[0].removeprefix("://"), maxsplit=1)
    host, slash, path = place.partition("/")
    return f"://{host.rpartition('@')[2]}{slash}{path}{'?' + HIDDEN if rest else ''}"


def _clean(value: Any, name: str = "") -> Any:  # noqa: ANN401  extras are anything
    """A value as it may stand in a line: nothing secret, and nothing that JSON lacks."""
    if _SECRET_NAME.fullmatch(name) and value is not None:
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(name): _clean(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return redacted(str(value))

"""Where a bucket is and how to get in: from the operator's settings or from a job's `s3Config`.

Knows no client and no network: everything here is read off the words that were given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, NoReturn
from urllib.parse import SplitResult, urlsplit

from ...errors import WorkerError, field_error
from .hosts import USUAL_REGION, Host, Style, read_host

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
#: What may stand in a host name as one label, under one certificate.
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
#: Letters that a header and a URL hold as they are.
_PRINTABLE = re.compile(r"[!-~]+")
_MAX_URL = 512
_MAX_WORD = 256
_MAX_SECRET = 1024


@dataclass(frozen=True)
class Names:
    """What whoever gave a place calls its parts, for messages."""

    endpoint_url: str = "BUCKET_ENDPOINT_URL"
    access_key_id: str = "BUCKET_ACCESS_KEY_ID"
    secret_access_key: str = "BUCKET_SECRET_ACCESS_KEY"  # noqa: S105  a setting's name
    bucket: str = "BUCKET_NAME"
    region: str = "BUCKET_REGION"


SETTINGS = Names()
CALLERS = Names(
    endpoint_url="s3Config.endpointUrl",
    access_key_id="s3Config.accessId",
    secret_access_key="s3Config.accessSecret",  # noqa: S106  a field's name
    bucket="s3Config.bucketName",
    region="s3Config.region",
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A bucket and the way to it."""

    #: Without the bucket in it; None is Amazon's own for the region.
    endpoint_url: str | None
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    bucket: str
    region: str
    addressing: Style
    names: Names = SETTINGS

    @property
    def is_callers(self) -> bool:
        """Whether a request named it, so that it may lead anywhere."""
        return self.names != SETTINGS

    @classmethod
    def from_settings(
        cls,
        *,
        endpoint_url: str | None,
        access_key_id: str | None,
        secret_access_key: str | None,
        bucket: str | None,
        region: str | None = None,
        addressing: Literal["auto", "path", "virtual"] = "auto",
    ) -> Place:
        """The operator's place; raises ValueError that names the setting and its rule."""
        reader = _Reader(SETTINGS, lambda name, value, rule: ValueError(_said(name, value, rule)))
        return reader.place(
            endpoint_url=endpoint_url or None,
            access_key_id=access_key_id or None,
            secret_access_key=secret_access_key or None,
            bucket=bucket or None,
            region=region or None,
            addressing=addressing,
        )


def place_of(s3_config: object) -> Place:
    """The place of a job's `s3Config`; raises InvalidRequest that names the field and its rule."""
    if not isinstance(s3_config, Mapping):
        raise field_error("s3Config", type(s3_config).__name__, "must be an object")
    reader = _Reader(CALLERS, field_error)
    return reader.place(
        endpoint_url=_text(s3_config, "endpointUrl"),
        access_key_id=_text(s3_config, "accessId"),
        secret_access_key=_text(s3_config, "accessSecret"),
        bucket=_text(s3_config, "bucketName"),
        region=_text(s3_config, "region"),
        addressing="auto",
    )


def _text(s3_config: Mapping[str, Any], name: str) -> str | None:
    """A field's text without surrounding blanks; None where nothing is said."""
    value = s3_config.get(name)
    if value is None:
        return None
    if not isinstance(value, str):  # its type, not its value: it may be a secret at the wrong place
        raise field_error(f"s3Config.{name}", type(value).__name__, "must be a string")
    return value.strip() or None


def _said(name: str, value: object, rule: str) -> str:
    """The same sentence for an operator as for a caller."""
    return str(field_error(name, value, rule))


@dataclass(frozen=True)
class _Reader:
    """Reads a place; what is wrong is said in the words of whoever gave it."""

    names: Names
    error: Callable[[str, object, str], WorkerError | ValueError]

    def place(
        self,
        *,
        endpoint_url: str | None,
        access_key_id: str | None,
        secret_access_key: str | None,
        bucket: str | None,
        region: str | None,
        addressing: Literal["auto", "path", "virtual"],
    ) -> Place:
        """Everything checked, and what the URL says found out."""
        access_key_id = self._word(self.names.access_key_id, access_key_id, _MAX_WORD)
        secret = self._word(self.names.secret_access_key, secret_access_key, _MAX_SECRET)
        self._matches(self.names.bucket, bucket, _BUCKET, "must be a bucket's name")
        self._matches(self.names.region, region, _REGION, "must be a region's name")
        if endpoint_url is None:
            host, url = Host(base="", region=USUAL_REGION, style="virtual"), None
            bucket = bucket or self._no_bucket(None)
        else:
            parts = self._url(endpoint_url)
            host = self._host(parts, bucket, addressing)
            bucket = self._bucket(parts, host, bucket)
            url = _without_bucket(parts, host)
        return Place(
            endpoint_url=url,
            access_key_id=access_key_id,
            secret_access_key=secret,
            bucket=bucket,
            region=region or host.region or USUAL_REGION,
            addressing=_style(host, bucket, addressing),
            names=self.names,
        )

    def _word(self, name: str, value: str | None, limit: int) -> str:
        """A key or a secret, which no message shows."""
        if value is None:
            self._refuse(name, None, "must be set")
        if len(value) > limit or not _PRINTABLE.fullmatch(value):
            rule = f"must be at most {limit} letters, digits and signs without blanks"
            self._refuse(name, f"{len(value)} characters", rule)
        return value

    def _matches(self, name: str, value: str | None, form: re.Pattern[str], rule: str) -> None:
        if value is not None and not form.fullmatch(value):
            self._refuse(name, value, rule)

    def _url(self, value: str) -> SplitResult:
        """The endpoint's URL in parts. Not shown before it is known to carry no secret."""
        name = self.names.endpoint_url
        if len(value) > _MAX_URL:
            self._refuse(name, f"{len(value)} characters", f"must have at most {_MAX_URL}")
        if not _PRINTABLE.fullmatch(value) or "\\" in value:
            self._refuse(name, "other characters", "must be a URL in ASCII without blanks")
        try:
            parts = urlsplit(value)
            has_port = parts.port != 0
        except ValueError:
            self._refuse(name, "something else", "must be a URL")
        if "@" in parts.netloc or parts.query or parts.fragment:
            rule = "must have no user name, password, query or fragment"
            self._refuse(name, "a URL with one", rule)
        if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
            self._refuse(name, value, "must begin with https:// (or http://) and a host")
        return parts

    def _host(self, parts: SplitResult, bucket: str | None, addressing: str) -> Host:
        """What the host says; of one that we do not know, whether the bucket stands in front."""
        host = read_host(parts.hostname or "")
        first, _, rest = host.base.partition(".")
        is_name = not host.known and not _is_address(host.base)
        if is_name and addressing != "path" and rest and first == bucket:
            return Host(base=rest, bucket=bucket, style="virtual", known=False)
        return host

    def _bucket(self, parts: SplitResult, host: Host, given: str | None) -> str:
        """The bucket that was named, by whatever way; two ways must agree."""
        path = parts.path.strip("/")
        in_url = host.bucket or path or None
        if (host.bucket and path) or not _BUCKET.fullmatch(in_url or "ok"):
            rule = "must name no more than the bucket besides the host"
            self._refuse(self.names.endpoint_url, parts.geturl(), rule)
        if given and in_url and given != in_url:
            rule = f"must name the same bucket as {self.names.endpoint_url}, which says {in_url!r}"
            self._refuse(self.names.bucket, given, rule)
        return given or in_url or self._no_bucket(parts.geturl())

    def _no_bucket(self, url: str | None) -> NoReturn:
        rule = f"must be set: {self.names.endpoint_url} names no bucket that we can be sure of"
        if url is None:
            rule = f"must be set where {self.names.endpoint_url} is not"
        self._refuse(self.names.bucket, None, rule)

    def _refuse(self, name: str, value: object, rule: str) -> NoReturn:
        raise self.error(name, value, rule)


def _without_bucket(parts: SplitResult, host: Host) -> str:
    address = f"[{host.base}]" if ":" in host.base else host.base
    return f"{parts.scheme}://{address}" + (f":{parts.port}" if parts.port else "")


def _style(host: Host, bucket: str, addressing: Literal["auto", "path", "virtual"]) -> Style:
    """As it was said; else as the URL has it, where the bucket's name can be part of a host's."""
    if addressing != "auto":
        return addressing
    if not _LABEL.fullmatch(bucket) or _is_address(host.base):
        return "path"
    return "virtual" if host.bucket else host.style


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

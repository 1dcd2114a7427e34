"""What the host names of S3 providers say: the bucket, the region, how a bucket is addressed.

Every line stands for a form that a provider documents; a host of no such form says nothing, and
nothing is guessed from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Style = Literal["path", "virtual"]

#: What a request is signed for where neither the operator nor the host says it: MinIO and most
#: servers of one's own take it, and so does Amazon for its first region.
USUAL_REGION = "us-east-1"

_REGION = r"(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)"
_SHORT_REGION = r"(?P<region>[a-z]{3}\d)"


@dataclass(frozen=True, kw_only=True)
class Host:
    """What one host name says; None where it says nothing."""

    #: The host without the bucket in front.
    base: str
    bucket: str | None = None
    region: str | None = None
    #: How buckets are addressed there, where the operator does not say.
    style: Style = "path"
    #: Whether the form of the name is one that we know.
    known: bool = True


@dataclass(frozen=True)
class _Form:
    """One documented form of host name; the bucket may stand in front of it."""

    base: re.Pattern[str]
    #: Where the name has no region in it.
    region: str | None
    style: Style


def _form(base: str, *, region: str | None = None, style: Style = "path") -> _Form:
    pattern = rf"(?:(?P<bucket>[a-z0-9][a-z0-9.-]*[a-z0-9])\.)?(?P<base>{base})"
    return _Form(re.compile(pattern), region, style)


#: The first form that fits counts, so that more special ones come first.
_FORMS = (
    # Amazon: https://docs.aws.amazon.com/general/latest/gr/s3.html
    _form(r"s3-accelerate(?:\.dualstack)?\.amazonaws\.com", style="virtual"),
    _form(
        rf"s3(?:-fips)?(?:\.dualstack)?[.-]{_REGION}\.amazonaws\.com(?:\.cn)?",
        style="virtual",
    ),
    _form(r"s3(?:-external-1)?\.amazonaws\.com", region="us-east-1", style="virtual"),
    # Cloudflare R2: the account, with a jurisdiction or without
    _form(r"[0-9a-f]{32}(?:\.(?:eu|fedramp))?\.r2\.cloudflarestorage\.com", region="auto"),
    _form(r"storage\.googleapis\.com", region="auto"),
    _form(rf"s3\.{_REGION}\.backblazeb2\.com"),
    _form(rf"{_SHORT_REGION}\.digitaloceanspaces\.com", style="virtual"),
    _form(rf"s3\.{_REGION}\.wasabisys\.com"),
    _form(r"s3\.wasabisys\.com", region="us-east-1"),
    # A network volume of the platform's own: the region is the data center, in capitals
    _form(r"s3api-(?P<datacenter>[a-z]{2,3}-[a-z]{2}-\d)\.runpod\.io"),
)


def read_host(host: str) -> Host:
    """What the host says, by the first form that fits it."""
    host = host.lower()
    for form in _FORMS:
        if found := form.base.fullmatch(host):
            said = found.groupdict()
            region = said.get("region") or (said.get("datacenter") or "").upper() or form.region
            return Host(base=said["base"], bucket=said["bucket"], region=region, style=form.style)
    return Host(base=host, known=False)

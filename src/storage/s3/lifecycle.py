"""The bucket's own rules that clean up behind us."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from ...errors import StorageError
from .client import Clients
from .failures import client_error, code_of, explained

#: Our rules are told from everyone else's by their ids.
TEMP_RULE = "worker-video-temp"
UNFINISHED_RULE = "worker-video-unfinished"

_DAYS = 1


def install(clients: Clients, *, prefix: str, temp_prefix: str) -> str:
    """Have what lies under the temporary prefix deleted, and uploads that were never finished
    aborted, after a day. Other rules stay as they are; nothing is written where it is so already.

    Gives a sentence on what was done. Raises StorageError.
    """
    prefix, temp_prefix = _folder(prefix.strip("/")), _folder(temp_prefix.strip("/"))
    if not temp_prefix or prefix.startswith(temp_prefix):
        raise StorageError(
            f"BUCKET_TEMP_PREFIX must be apart from BUCKET_PREFIX, got {temp_prefix!r} and "
            f"{prefix!r}: the rule would delete all results after a day"
        )
    ours = _rules(prefix=prefix, temp_prefix=temp_prefix)
    ids = [rule["ID"] for rule in ours]
    bucket = clients.place.bucket
    with explained(clients.place, "read the lifecycle rules"):
        current = _read(clients)
    theirs = [rule for rule in current["Rules"] if rule.get("ID") not in ids]
    there = [rule for rule in current["Rules"] if rule.get("ID") in ids]
    if sorted(map(_essence, there)) == sorted(map(_essence, ours)):
        return f"bucket {bucket!r} has the rules already: {', '.join(ids)}"
    by_hand = f"expire {temp_prefix!r} and abort unfinished uploads after {_DAYS} day"
    with explained(clients.place, f"write the lifecycle rules (to do by hand: {by_hand})"):
        _write(clients, {**current, "Rules": [*theirs, *ours]})
    kept = f"; {len(theirs)} other rules were kept" if theirs else ""
    return f"bucket {bucket!r} has new rules: {', '.join(ids)}{kept}"


def _rules(*, prefix: str, temp_prefix: str) -> list[dict[str, Any]]:
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _DAYS}}
    return [
        {
            "ID": TEMP_RULE,
            "Status": "Enabled",
            "Filter": {"Prefix": temp_prefix},
            "Expiration": {"Days": _DAYS},
            **abort,
        },
        {
            "ID": UNFINISHED_RULE,
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            **abort,
        },
    ]


def _folder(prefix: str) -> str:
    return f"{prefix}/" if prefix else ""


def _essence(rule: dict[str, Any]) -> str:
    """What a rule does, whatever form the server gives it back in."""
    prefix = rule.get("Prefix") or (rule.get("Filter") or {}).get("Prefix") or ""
    expires = (rule.get("Expiration") or {}).get("Days")
    aborts = (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")
    return repr((rule.get("ID"), rule.get("Status"), prefix, expires, aborts))


def _read(clients: Clients) -> dict[str, Any]:
    """The whole configuration, so that what we do not know of it is written back too."""
    try:
        answer = clients.patient.get_bucket_lifecycle_configuration(Bucket=clients.place.bucket)
    except client_error() as error:
        if code_of(error) != "NoSuchLifecycleConfiguration":
            raise
        return {"Rules": []}
    kept = ("TransitionDefaultMinimumObjectSize",)
    return {"Rules": answer.get("Rules") or [], **{n: answer[n] for n in kept if n in answer}}


def _write(clients: Clients, configuration: dict[str, Any]) -> None:
    """Servers other than Amazon's want Content-MD5 here, which botocore no longer sends."""
    client = clients.patient
    event = "before-call.s3.PutBucketLifecycleConfiguration"
    size = configuration.pop("TransitionDefaultMinimumObjectSize", None)
    extra = {"TransitionDefaultMinimumObjectSize": size} if size else {}
    client.meta.events.register(event, _add_md5, unique_id="worker-video-md5")
    client.put_bucket_lifecycle_configuration(
        Bucket=clients.place.bucket, LifecycleConfiguration=configuration, **extra
    )


def _add_md5(params: dict[str, Any], **_: object) -> None:
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = b64encode(digest).decode("ascii")

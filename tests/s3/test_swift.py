"""Swift judges as S3 does: what the storage's tests rest on."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.s3.fixtures import Bucket
from tests.s3.moto_server import Moto
from tests.s3.swift import MIN_PART_BYTES, Swift

BODY = b"a video"


def asked(url: str, *, method: str = "GET", host: str | None = None) -> tuple[int, bytes]:
    """Status and body, as anyone who has the link gets them."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    try:
        headers = {"Host": host or parts.netloc}
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    """The status and the code of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def md5(body: bytes) -> str:
    """As Content-MD5 has it."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def upload(bucket: Bucket, key: str, *bodies: bytes) -> tuple[str, list[dict[str, Any]]]:
    """A multipart upload that is not completed: its id and its parts."""
    where = {"Bucket": bucket.name, "Key": key}
    upload_id = bucket.client.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        more = {"UploadId": upload_id, "PartNumber": number, "ContentMD5": md5(body)}
        answer = bucket.client.upload_part(**where, **more, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    return upload_id, parts


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({"secret_key": "wrong"}, (403, "SignatureDoesNotMatch")),
        ({"access_key": "test:nobody"}, (403, "SignatureDoesNotMatch")),
        (
            {"access_key": Swift.stranger_key, "secret_key": Swift.stranger_secret},
            (403, "AccessDenied"),
        ),
    ],
)
def test_who_may_not_write_is_told_why(
    bucket: Bucket,
    client_of: Callable[..., Any],
    account: dict[str, str],
    expected: tuple[int, str],
) -> None:
    put = client_of(**account).put_object
    assert refusal(put, Bucket=bucket.name, Key="a.mp4", Body=BODY) == expected
    assert bucket.listed() == []


def test_a_presigned_link_gives_the_bytes_to_anyone(bucket: Bucket) -> None:
    assert asked(_link(bucket)) == (200, BODY)


@pytest.mark.parametrize(
    ("method", "before", "after"),
    [
        ("GET", "/a.mp4", "/b.mp4"),
        ("GET", "X-Amz-Expires=60", "X-Amz-Expires=600"),
        ("GET", "X-Amz-Signature=", "X-Amz-Signature=0"),
        ("GET", "X-Amz-Algorithm", "response-content-type=text%2Fhtml&X-Amz-Algorithm"),
        ("PUT", "", ""),
        ("HEAD", "", ""),
    ],
)
def test_a_presigned_link_holds_only_as_it_was_signed(
    bucket: Bucket, method: str, before: str, after: str
) -> None:
    link = _link(bucket)
    assert before in link
    status, _ = asked(link.replace(before, after, 1), method=method)
    assert status == 403
    assert bucket.read("a.mp4") == BODY


def test_a_presigned_link_ends(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_at = datetime.now(UTC) - timedelta(seconds=62)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: signed_at)
    link = _link(bucket)
    monkeypatch.undo()
    status, body = asked(link)
    assert (status, b"Request has expired" in body) == (403, True)


def test_a_link_that_is_signed_for_another_region_is_refused(
    bucket: Bucket, client_of: Callable[..., Any]
) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=BODY)
    elsewhere = client_of(region="eu-west-1")
    target = {"Bucket": bucket.name, "Key": "a.mp4"}
    status, body = asked(elsewhere.generate_presigned_url("get_object", Params=target))
    assert (status, b"AuthorizationQueryParametersError" in body) == (400, True)


def test_without_a_signature_nothing_is_given(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=BODY)
    status, body = asked(f"{bucket.url}/{bucket.name}/a.mp4")
    assert status >= 400
    assert BODY not in body


def test_a_bucket_may_stand_in_front_of_the_host(
    swift: Swift, bucket: Bucket, client_of: Callable[..., Any]
) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=BODY)
    client = client_of(
        url=f"http://localhost:{swift.port}", config={"s3": {"addressing_style": "virtual"}}
    )
    target = {"Bucket": bucket.name, "Key": "a.mp4"}
    link = client.generate_presigned_url("get_object", Params=target)
    assert urlsplit(link).hostname == f"{bucket.name}.localhost"
    assert asked(link) == (200, BODY)


def test_bytes_that_do_not_match_their_md5_are_not_kept(bucket: Bucket) -> None:
    target = {"Bucket": bucket.name, "Key": "a.mp4", "Body": BODY, "ContentMD5": md5(b"another")}
    assert refusal(bucket.client.put_object, **target) == (400, "BadDigest")
    assert bucket.listed() == []


def test_a_part_that_does_not_match_its_md5_is_not_kept(bucket: Bucket, swift: Swift) -> None:
    upload_id, _ = upload(bucket, "a.mp4")
    target = {"Bucket": bucket.name, "Key": "a.mp4", "Body": BODY, "ContentMD5": md5(b"another")}
    part = bucket.client.upload_part
    assert refusal(part, **target, UploadId=upload_id, PartNumber=1) == (400, "BadDigest")
    assert swift.parts(bucket.name) == []


def test_a_multipart_upload_comes_back_as_one_object(bucket: Bucket) -> None:
    bodies = [bytes([number]) * MIN_PART_BYTES for number in range(3)] + [b"the end"]
    upload_id, parts = upload(bucket, "videos/a.mp4", *bodies)
    assert bucket.listed() == []
    done = bucket.client.complete_multipart_upload(
        Bucket=bucket.name,
        Key="videos/a.mp4",
        UploadId=upload_id,
        MultipartUpload={"Parts": parts},
    )
    assert bucket.read("videos/a.mp4") == b"".join(bodies)
    assert done["ETag"].endswith('-4"')
    assert bucket.uploads() == []


@pytest.mark.parametrize(
    ("bodies", "spoil", "code"),
    [
        ((b"small", b"small"), None, "EntityTooSmall"),
        ((b"x" * MIN_PART_BYTES, b"end"), '"00000000000000000000000000000000"', "InvalidPart"),
    ],
)
def test_parts_that_are_too_small_or_not_those_sent_are_not_put_together(
    bucket: Bucket, bodies: tuple[bytes, ...], spoil: str | None, code: str
) -> None:
    upload_id, parts = upload(bucket, "a.mp4", *bodies)
    parts[0]["ETag"] = spoil or parts[0]["ETag"]
    target = {"Bucket": bucket.name, "Key": "a.mp4", "UploadId": upload_id}
    complete = bucket.client.complete_multipart_upload
    assert refusal(complete, **target, MultipartUpload={"Parts": parts}) == (400, code)
    assert bucket.listed() == []


def test_unfinished_uploads_are_listed_by_prefix_and_leave_nothing_when_aborted(
    bucket: Bucket, swift: Swift
) -> None:
    first, _ = upload(bucket, "videos/a.mp4", BODY)
    upload(bucket, "temp/a.mp4", BODY)
    listed = bucket.client.list_multipart_uploads(Bucket=bucket.name, Prefix="videos/")["Uploads"]
    assert [(found["Key"], found["UploadId"]) for found in listed] == [("videos/a.mp4", first)]

    target = {"Bucket": bucket.name, "Key": "videos/a.mp4", "UploadId": first}
    bucket.client.abort_multipart_upload(**target)
    assert bucket.uploads() == ["temp/a.mp4"]
    assert [part.split("/")[0] for part in swift.parts(bucket.name)] == ["temp"]
    assert refusal(bucket.client.abort_multipart_upload, **target) == (404, "NoSuchUpload")


def test_a_head_gives_back_what_was_said_of_the_object(bucket: Bucket) -> None:
    said = {
        "ContentType": "video/mp4",
        "ContentDisposition": 'inline; filename="a b.mp4"',
        "CacheControl": "private, max-age=60",
        "Metadata": {"request-digest": "0123abcd"},
    }
    bucket.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=BODY, **said)
    head = bucket.client.head_object(Bucket=bucket.name, Key="a.mp4")
    assert {name: head[name] for name in said} == said
    assert head["ContentLength"] == len(BODY)


@pytest.mark.parametrize("name", ["missing-bucket", None])
def test_a_head_of_what_is_not_there_says_so(bucket: Bucket, name: str | None) -> None:
    head = bucket.client.head_object
    assert refusal(head, Bucket=name or bucket.name, Key="a.mp4") == (404, "404")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("put_object", {"Body": BODY, "Tagging": "temp=true"}),
        ("create_multipart_upload", {"Tagging": "temp=true"}),
    ],
)
def test_tags_are_refused_as_not_implemented(
    bucket: Bucket, operation: str, arguments: dict[str, Any]
) -> None:
    call = getattr(bucket.client, operation)
    target = {"Bucket": bucket.name, "Key": "a.mp4"}
    assert refusal(call, **target, **arguments) == (501, "NotImplemented")
    assert bucket.listed() == []


def test_moto_has_the_tags_and_the_rules_that_swift_lacks(
    moto: Moto, client_of: Callable[..., Any]
) -> None:
    client = client_of(url=moto.url, access_key=moto.access_key, secret_key=moto.secret_key)
    client.create_bucket(Bucket="rules")
    client.put_object(Bucket="rules", Key="temp/a.mp4", Body=BODY, Tagging="temp=true")
    tags = client.get_object_tagging(Bucket="rules", Key="temp/a.mp4")["TagSet"]
    assert tags == [{"Key": "temp", "Value": "true"}]

    rule = {"ID": "day", "Status": "Enabled", "Filter": {"Prefix": "temp/"}}
    rules = {"Rules": [{**rule, "Expiration": {"Days": 1}}]}
    client.put_bucket_lifecycle_configuration(Bucket="rules", LifecycleConfiguration=rules)
    found = client.get_bucket_lifecycle_configuration(Bucket="rules")["Rules"]
    assert found == rules["Rules"]


@pytest.mark.parametrize("victim", ["tests", "launcher"])
def test_the_servers_do_not_outlive_whoever_started_them(
    tmp_path: Path, root: Path, victim: str
) -> None:
    script = (
        "import sys, pathlib; from tests.s3.swift import Swift\n"
        "with Swift(pathlib.Path(sys.argv[1])) as swift:\n"
        "    print(swift.pid, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe) as tests:
        assert tests.stdout
        launcher = int(tests.stdout.readline())
        servers = _children(launcher)
        assert len(servers) == 4
        os.kill(tests.pid if victim == "tests" else launcher, signal.SIGKILL)
        _wait_until_gone(servers)
        tests.kill()


def _link(bucket: Bucket) -> str:
    bucket.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=BODY)
    target = {"Bucket": bucket.name, "Key": "a.mp4"}
    link: str = bucket.client.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    return link


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 30
    while any(_is_running(pid) for pid in pids):
        assert time.monotonic() < end, "servers are still running"
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    """A zombie is gone too: only its parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

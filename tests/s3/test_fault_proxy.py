"""The proxy passes everything on as it is, but for the faults that were asked for."""

from __future__ import annotations

import http.client
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from tests.s3.fault_proxy import FaultProxy
from tests.s3.faults import (
    CutAnswer,
    CutUpload,
    Fault,
    GoDown,
    Reset,
    Rule,
    Seen,
    Slow,
    Status,
    seen_in,
)
from tests.s3.fixtures import Bucket

BODY = b"a video" * 100_000
MEBIBYTE = 1024 * 1024

Put = Callable[[str], Any]


@pytest.fixture
def client(fault_proxy: FaultProxy, client_of: Callable[..., Any]) -> Any:
    """A client that goes through the proxy, and asks once."""
    return client_of(url=fault_proxy.url)


@pytest.fixture
def put(bucket: Bucket, client: Any) -> Put:
    """Put an object under a key, through the proxy."""
    return lambda key: client.put_object(Bucket=bucket.name, Key=key, Body=BODY)


def test_without_faults_signatures_and_bytes_hold(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any, put: Put
) -> None:
    put("a.mp4")
    read = client.get_object(Bucket=bucket.name, Key="a.mp4")["Body"].read()
    assert read == BODY
    assert fault_proxy.operations() == ["PutObject", "GetObject"]
    assert [seen.status for seen in fault_proxy.seen] == [200, 200]
    assert fault_proxy.seen[0].headers["expect"] == "100-continue"


def test_large_bodies_go_through_without_being_held(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any
) -> None:
    size = 100 * MEBIBYTE
    target = {"Bucket": bucket.name, "Key": "large"}
    link = client.generate_presigned_url("put_object", Params=target)
    connection = http.client.HTTPConnection("127.0.0.1", fault_proxy.port, timeout=60)
    piece = bytes(MEBIBYTE)
    tracemalloc.start()
    try:
        pieces = (piece for _ in range(size // MEBIBYTE))
        connection.request("PUT", link.removeprefix(fault_proxy.url), pieces, _length(size))
        assert connection.getresponse().status == 200
        body = client.get_object(**target)["Body"]
        assert sum(len(got) for got in body.iter_chunks(MEBIBYTE)) == size
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        connection.close()
    assert most < 16 * MEBIBYTE


def test_a_reset_request_never_reaches_s3(
    fault_proxy: FaultProxy, bucket: Bucket, put: Put
) -> None:
    fault_proxy.fault(Reset())
    with pytest.raises(ConnectionClosedError):
        put("a.mp4")
    assert bucket.listed() == []
    assert (fault_proxy.seen[0].status, fault_proxy.seen[0].fault) == (None, Reset())


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown")])
@pytest.mark.parametrize("expect", [True, False])
def test_a_status_comes_as_s3_has_it(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any, status: int, code: str, expect: bool
) -> None:
    if not expect:
        client.meta.events.register("before-send.s3", _without_expect)
    fault_proxy.fault(Status(status, code), times=1)
    target = {"Bucket": bucket.name, "Key": "a.mp4"}
    with pytest.raises(ClientError) as caught:
        client.put_object(**target, Body=BODY)
    answer = caught.value.response
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert bucket.listed() == []
    client.put_object(**target, Body=BODY)
    assert [seen.status for seen in fault_proxy.seen] == [status, 200]


def test_a_head_is_refused_without_a_body(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any
) -> None:
    fault_proxy.fault(Status(503), on="HEAD", times=1)
    for expected in (503, 404):
        with pytest.raises(ClientError) as caught:
            client.head_object(Bucket=bucket.name, Key="a.mp4")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == expected


@pytest.mark.parametrize(
    "fault", [CutUpload(after=0), CutUpload(after=100_000), CutUpload(after=len(BODY))]
)
def test_an_upload_that_is_cut_is_not_kept(
    fault_proxy: FaultProxy, bucket: Bucket, put: Put, fault: Fault
) -> None:
    fault_proxy.fault(fault, times=1)
    with pytest.raises(BotoCoreError):
        put("a.mp4")
    put("b.mp4")
    assert bucket.read("b.mp4") == BODY
    # Swift may have had the whole body by the time that the connection went.
    assert bucket.listed() == ["b.mp4"] or fault == CutUpload(after=len(BODY))


def test_an_answer_that_is_lost_leaves_what_was_done(
    fault_proxy: FaultProxy, bucket: Bucket, put: Put
) -> None:
    fault_proxy.fault(CutAnswer())
    with pytest.raises(ConnectionClosedError):
        put("a.mp4")
    assert bucket.read("a.mp4") == BODY


def test_an_answer_is_cut_at_its_byte(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any, put: Put
) -> None:
    put("a.mp4")
    fault_proxy.fault(CutAnswer(after=1000), on="GetObject", times=1)
    target = {"Bucket": bucket.name, "Key": "a.mp4"}
    answer = client.get_object(**target)
    assert answer["ContentLength"] == len(BODY)
    got: list[bytes] = []
    with pytest.raises(ResponseStreamingError):
        got.extend(iter(lambda: answer["Body"].read(10), b""))
    assert len(b"".join(got)) <= 1000
    assert BODY.startswith(b"".join(got))
    assert client.get_object(**target)["Body"].read() == BODY


def test_a_late_answer_runs_into_the_clients_patience(
    fault_proxy: FaultProxy, bucket: Bucket, client_of: Callable[..., Any]
) -> None:
    fault_proxy.fault(Slow(seconds=60))
    client = client_of(url=fault_proxy.url, config={"read_timeout": 0.5})
    with pytest.raises(ReadTimeoutError):
        client.put_object(Bucket=bucket.name, Key="a.mp4", Body=b"x")
    assert bucket.read("a.mp4") == b"x"


def test_a_trickle_takes_its_time_and_loses_nothing(
    fault_proxy: FaultProxy, bucket: Bucket, put: Put
) -> None:
    fault_proxy.fault(Slow(bytes_per_second=len(BODY) * 4))
    started = time.monotonic()
    put("a.mp4")
    assert time.monotonic() - started > 0.2
    assert bucket.read("a.mp4") == BODY


def test_a_port_that_is_down_refuses_until_it_is_up_again(
    fault_proxy: FaultProxy, bucket: Bucket, put: Put
) -> None:
    put("a.mp4")
    for _ in range(2):
        fault_proxy.down()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", fault_proxy.port)).close()
        with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
            put("b.mp4")
        fault_proxy.up()
        put("c.mp4")
    assert bucket.listed() == ["a.mp4", "c.mp4"]


def test_going_down_resets_a_connection_that_is_open(fault_proxy: FaultProxy) -> None:
    with socket.create_connection(("127.0.0.1", fault_proxy.port)) as waiting:
        waiting.sendall(b"GET / HTTP/1.1\r\n")
        # The proxy takes connections in order: this one's answer says that the first is taken.
        assert _answers(fault_proxy)
        fault_proxy.down()
        with pytest.raises(ConnectionResetError):
            waiting.recv(1)


def test_s3_may_be_gone_from_the_second_part_on(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any
) -> None:
    fault_proxy.fault(GoDown(), on="UploadPart", skip=1)
    target = {"Bucket": bucket.name, "Key": "a.mp4"}
    target["UploadId"] = client.create_multipart_upload(**target)["UploadId"]
    client.upload_part(**target, PartNumber=1, Body=BODY)
    with pytest.raises(ConnectionClosedError):
        client.upload_part(**target, PartNumber=2, Body=BODY)
    with pytest.raises(EndpointConnectionError):
        client.abort_multipart_upload(**target)
    assert bucket.uploads() == ["a.mp4"]
    fault_proxy.up()
    client.abort_multipart_upload(**target)
    assert bucket.uploads() == []


def test_a_caller_that_hangs_up_does_no_harm(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any, put: Put
) -> None:
    link = client.generate_presigned_url(
        "put_object", Params={"Bucket": bucket.name, "Key": "half.mp4"}
    )
    target = link.removeprefix(fault_proxy.url)
    head = f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{fault_proxy.port}\r\nContent-Length: 99"
    with socket.create_connection(("127.0.0.1", fault_proxy.port)) as caller:
        caller.sendall(f"{head}\r\n\r\nhalf".encode())
    put("a.mp4")
    assert bucket.listed() == ["a.mp4"]


async def test_chunked_bodies_pass_both_ways_and_the_connection_is_used_again() -> None:
    async with _echo() as upstream, aiohttp.ClientSession() as session:
        with FaultProxy(upstream) as proxy:
            for _ in range(2):
                async with session.post(f"{proxy.url}/a", data=_pieces()) as answer:
                    assert answer.headers["Transfer-Encoding"] == "chunked"
                    assert await answer.read() == b"".join([piece async for piece in _pieces()])
            assert [seen.headers["transfer-encoding"] for seen in proxy.seen] == ["chunked"] * 2


def test_an_upstream_that_is_not_there_is_a_reset() -> None:
    with FaultProxy("http://127.0.0.1:9") as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        connection.request("GET", "/a")
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
        connection.close()


@pytest.mark.parametrize(
    ("rule", "met"),
    [
        (Rule(Reset()), [0, 1, 2, 3, 4]),
        (Rule(Reset(), times=2), [0, 1]),
        (Rule(Reset(), skip=3), [3, 4]),
        (Rule(Reset(), skip=1, times=1), [1]),
        (Rule(Reset(), on="PUT"), [0, 1, 3]),
        (Rule(Reset(), on="UploadPart"), [1, 3]),
        (Rule(Reset(), on="UploadPart", skip=1), [3]),
        (Rule(Reset(), where=lambda seen: seen.query.get("partNumber") == "2"), [3]),
    ],
)
def test_a_rule_meets_the_requests_that_it_names(rule: Rule, met: list[int]) -> None:
    heads = [
        "PUT /b/k",
        "PUT /b/k?uploadId=1&partNumber=1",
        "GET /b/k",
        "PUT /b/k?uploadId=1&partNumber=2",
        "DELETE /b/k?uploadId=1",
    ]
    assert [at for at, head in enumerate(heads) if rule.meets(_seen(head))] == met


def test_of_two_rules_the_first_holds_and_both_count(fault_proxy: FaultProxy, put: Put) -> None:
    fault_proxy.fault(Status(500, "InternalError"), times=1)
    later = fault_proxy.fault(Status(503), times=2)
    codes = []
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            put("a.mp4")
        codes.append(caught.value.response["Error"]["Code"])
    put("a.mp4")
    assert codes == ["InternalError", "SlowDown"]
    assert later.matched == 3


@pytest.mark.parametrize(
    ("head", "operation"),
    [
        ("PUT /bucket/videos/a.mp4", "PutObject"),
        ("POST /bucket/a.mp4?uploads", "CreateMultipartUpload"),
        ("PUT /bucket/a.mp4?partNumber=1&uploadId=x", "UploadPart"),
        ("POST /bucket/a.mp4?uploadId=x", "CompleteMultipartUpload"),
        ("DELETE /bucket/a.mp4?uploadId=x", "AbortMultipartUpload"),
        ("DELETE /bucket/a.mp4", "DeleteObject"),
        ("HEAD /bucket/a.mp4", "HeadObject"),
        ("HEAD /bucket", "HeadBucket"),
        ("GET /bucket?uploads&prefix=videos%2F", "ListMultipartUploads"),
        ("GET /bucket?list-type=2", "ListObjectsV2"),
        ("PUT /bucket?lifecycle", "PutBucketLifecycleConfiguration"),
        ("GET /", "GET"),
    ],
)
def test_a_request_has_s3s_name(head: str, operation: str) -> None:
    assert _seen(head).operation == operation


def test_what_was_seen_holds_no_signature(
    fault_proxy: FaultProxy, bucket: Bucket, client: Any, put: Put
) -> None:
    put("a.mp4")
    target = {"Bucket": bucket.name, "Key": "a.mp4", "ResponseContentType": "video/mp4"}
    link = client.generate_presigned_url("get_object", Params=target)
    connection = http.client.HTTPConnection("127.0.0.1", fault_proxy.port, timeout=10)
    connection.request("GET", link.removeprefix(fault_proxy.url))
    assert connection.getresponse().read() == BODY
    connection.close()
    assert fault_proxy.seen[1].query == {"response-content-type": "video/mp4"}
    assert "authorization" not in fault_proxy.seen[0].headers
    assert "Signature" not in repr(fault_proxy.seen)


def _seen(head: str) -> Seen:
    return seen_in(f"{head} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def _length(size: int) -> dict[str, str]:
    return {"Content-Length": str(size)}


def _without_expect(request: Any, **_: Any) -> None:
    del request.headers["Expect"]


def _answers(proxy: FaultProxy) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    finally:
        connection.close()


async def _pieces() -> AsyncIterator[bytes]:
    for number in range(1, 6):
        yield bytes([number]) * (number * 30_000)


class _echo:  # noqa: N801  used as a function
    """A server that answers with the body that it was sent, in chunks."""

    async def __aenter__(self) -> str:
        app = web.Application(client_max_size=MEBIBYTE)
        app.router.add_post("/a", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        await answer.write(await request.read())
        await answer.write_eof()
        return answer

"""Connections of a bucket that a request named: where they go, and that answers have an end."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from src.addresses import is_public
from src.errors import BlockedUrl, StorageError
from src.storage import Item
from src.storage.s3 import BucketAttempts, Patience, S3Storage, connections, place_of

ITEM = Item(name="job.mp4", content_type="video/mp4")
HASTE = Patience(attempts=2, connect_timeout=2, read_timeout=2)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """Answers each connection once; gives its port and what it was asked."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with closing(connection):
                asked.append(connection.recv(65_536))
                try:
                    answer(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], asked
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def callers(
    url: str,
    *,
    resolve: Callable[[str, int], list[str]] | None = None,
    allows: Callable[[str], bool] = is_public,
) -> S3Storage:
    config = {"accessId": "A", "accessSecret": "hidden", "bucketName": "films", "endpointUrl": url}
    return S3Storage(place_of(config), allows=allows, resolve=resolve, patience=HASTE, pauses=())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "[::1]",
        "[::ffff:7f00:1]",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "0.0.0.0",  # noqa: S104  nothing is bound
    ],
)
def test_a_private_address_is_refused_before_anything_is_sent(host: str) -> None:
    storage = callers(f"http://{host}:9000")

    with pytest.raises(BlockedUrl, match=r"s3Config\.endpointUrl: .* private address"):
        storage.find(ITEM)


def test_a_private_address_is_refused_for_every_operation(tmp_path: Path) -> None:
    with server(lambda connection: connection.sendall(OK)) as (port, asked):
        storage = callers(f"http://127.0.0.1:{port}")
        (tmp_path / "video").write_bytes(b"video")
        for operation in (
            lambda: storage.save(tmp_path / "video", ITEM),
            lambda: storage.find(ITEM),
            lambda: storage.discard(ITEM),
            storage.check,
        ):
            with pytest.raises(BlockedUrl):
                operation()
        storage.warm()
        assert BucketAttempts(storage).begin("job") == 0
        BucketAttempts(storage).end("job")

    assert asked == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1111", "::1"]]
)
def test_one_private_address_of_a_name_is_enough_to_refuse_it(addresses: list[str]) -> None:
    storage = callers("http://bucket.example:9000", resolve=lambda *_: addresses)

    with pytest.raises(BlockedUrl):
        storage.find(ITEM)


def test_a_name_is_asked_once_for_the_judgement_and_the_connection() -> None:
    """A name that changes its answer between the two would lead elsewhere."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]])
    judged: list[str] = []

    def allows(address: str) -> bool:
        judged.append(address)
        return address == "127.0.0.1"

    with server(lambda connection: connection.sendall(OK)) as (port, asked):
        storage = callers(
            f"http://rebinding.example:{port}", resolve=lambda *_: next(answers), allows=allows
        )
        storage.find(ITEM)

    assert judged == ["127.0.0.1"]
    assert f"Host: rebinding.example:{port}".encode() in asked[0]


def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    with server(lambda connection: connection.sendall(OK)) as (port, asked):
        storage = callers(
            f"http://two.example:{port}",
            resolve=lambda *_: ["127.0.0.2", "127.0.0.1"],
            allows=lambda _: True,
        )
        assert storage.find(ITEM) is not None

    assert len(asked) == 1


def test_tls_goes_on_with_the_name_not_with_the_address() -> None:
    with server(lambda connection: connection.sendall(b"no TLS here")) as (port, asked):
        storage = callers(
            f"https://named.example:{port}",
            resolve=lambda *_: ["127.0.0.1"],
            allows=lambda _: True,
        )
        with pytest.raises(StorageError, match="over TLS"):
            storage.find(ITEM)

    assert b"named.example" in asked[0]  # the client hello's server name


def unknown_name(*_: object) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "not known")


@pytest.mark.parametrize("resolve", [unknown_name, lambda *_: []])
def test_a_name_without_an_address_cannot_be_reached(
    resolve: Callable[[str, int], list[str]],
) -> None:
    with pytest.raises(StorageError, match="cannot be reached") as error:
        callers("http://nowhere.example", resolve=resolve).find(ITEM)

    assert error.value.public  # whose bucket it is can mend it
    assert "hidden" not in error.value.public


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connections, "_ANSWER_BYTES", 100_000)

    def forever(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n<xml>")
        while True:
            connection.sendall(b"x" * 10_000)

    (tmp_path / "video").write_bytes(b"video")
    with server(forever) as (port, asked), pytest.raises(StorageError, match="broke off"):
        callers(f"http://127.0.0.1:{port}", allows=lambda _: True).save(tmp_path / "video", ITEM)

    assert len(asked) == HASTE.attempts


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "])
@pytest.mark.timeout(60)
def test_an_answer_that_drips_is_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, head: bytes
) -> None:
    monkeypatch.setattr(connections, "_ANSWER_SECONDS", 0.3)
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while not ended.is_set():
            connection.sendall(b"x")
            time.sleep(0.05)

    (tmp_path / "video").write_bytes(b"video")
    with server(drip) as (port, _):
        try:
            with pytest.raises(StorageError, match=r"broke off|in time"):
                callers(f"http://127.0.0.1:{port}", allows=lambda _: True).save(
                    tmp_path / "video", ITEM
                )
        finally:
            ended.set()


def test_a_servers_own_words_stay_out_of_messages() -> None:
    body = b"<Error><Code>SIGNATURE=abc rm -rf</Code><Message>hidden text</Message></Error>"
    answer = b"HTTP/1.1 418 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with server(lambda connection: connection.sendall(answer)) as (port, _):
        storage = callers(f"http://127.0.0.1:{port}", allows=lambda _: True)
        with pytest.raises(StorageError, match="an unknown code") as error:
            storage.discard(ITEM)

    assert "hidden" not in str(error.value)
    assert "SIGNATURE" not in str(error.value)


def test_a_bucket_of_another_region_is_named_instead_of_stored_into(tmp_path: Path) -> None:
    """Botocore would sign anew and store; the links, made for our region, would all fail."""
    body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"
    answer = (
        b"HTTP/1.1 400 Bad Request\r\nx-amz-bucket-region: eu-west-3\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body
    (tmp_path / "video").write_bytes(b"video")
    with server(lambda connection: connection.sendall(answer)) as (port, asked):
        storage = callers(f"http://127.0.0.1:{port}", allows=lambda _: True)
        with pytest.raises(StorageError, match=r"region 'eu-west-3', see s3Config\.region"):
            storage.save(tmp_path / "video", ITEM)

    assert len(asked) == 1

import asyncio
import base64
import gzip
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import AF_INET, AddressFamily

import brotli  # type: ignore[import-untyped]  # it ships none
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from src.errors import BlockedUrl, FetchFailed, InvalidRequest, MediaTooLarge, RequestError
from src.generation import MediaReference
from src.media.fetch import Fetcher

from .conftest import Serve

PNG = b"\x89PNG\r\n\x1a\n and so on"


def reference(value: object) -> MediaReference:
    return MediaReference(field="init_image", value=str(value))


def fetcher(
    *,
    max_bytes: int = 100_000,
    timeout: float = 10,
    read_timeout: float = 10,
    allow_private: bool = True,
    resolver: AbstractResolver | None = None,
) -> Fetcher:
    return Fetcher(
        max_bytes=max_bytes,
        timeout=timeout,
        read_timeout=read_timeout,
        allow_private=allow_private,
        resolver=resolver,
    )


class Names(AbstractResolver):
    """A resolver with answers by heart: one list of addresses for each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        del family
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=AF_INET, proto=0, flags=0)
            for address in self._answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def answer_png(request: web.Request) -> web.Response:
    del request
    return web.Response(body=PNG)


async def test_fetches_a_url(serve: Serve) -> None:
    server = await serve(answer_png)

    assert await fetcher().fetch(reference(server.make_url("/a.png?b=c"))) == PNG


async def test_a_url_is_sent_letter_by_letter(serve: Serve) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)

    server = await serve(echo)
    path = "/a%2Cb,c%20d?sig=a%2Fb%2Bc+d%3D&e=;"

    sent = await fetcher().fetch(reference(f"http://127.0.0.1:{server.port}{path}"))

    assert sent.decode() == path


@pytest.mark.parametrize(
    "value",
    [f"data:image/png;base64,{base64.b64encode(PNG).decode()}", base64.b64encode(PNG).decode()],
)
async def test_takes_what_came_with_the_request(value: str) -> None:
    assert await fetcher().fetch(reference(f"  {value}\n")) == PNG


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "127.1",
        "0",
        "①②⑦.0.0.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[fe80::1%25eth0]",
        "[fec0::1]",
        "[5f00::1]",
        "[2002:a9fe:a9fe::1]",
        "169.254.169.254",
        "192.0.0.192",
        "192.88.99.1",
        "100.64.0.1",
        "10.0.0.1",
        "localhost",
        "LOCALHOST",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_private_hosts_are_not_asked(scheme: str, host: str) -> None:
    with pytest.raises(BlockedUrl, match=r"^init_image: .* points to a private address"):
        await fetcher(allow_private=False).fetch(reference(f"{scheme}://{host}:9/latest?token=x"))


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2002:7f00:1::1"]],
)
async def test_a_name_is_refused_for_any_private_answer(answers: list[str]) -> None:
    resolver = Names(answers)

    with pytest.raises(BlockedUrl, match=r"http://media.example/a points to a private address"):
        await fetcher(allow_private=False, resolver=resolver).fetch(
            reference("http://media.example/a")
        )

    assert resolver.asked == ["media.example"]


async def test_a_name_is_asked_for_once_and_its_answer_is_where_we_connect(serve: Serve) -> None:
    """A second answer, which a rebinding name would make another one, is never heard."""
    server = await serve(answer_png)
    resolver = Names(["127.0.0.1"], ["127.0.0.99"])

    url = f"http://media.example:{server.port}/a"

    assert await fetcher(resolver=resolver).fetch(reference(url)) == PNG
    assert resolver.asked == ["media.example"]


class PublicLoopback(Fetcher):
    """Takes 127.0.0.1 for a public address, so that a server there can send us elsewhere."""

    def _allows(self, address: str) -> bool:
        return address == "127.0.0.1" or super()._allows(address)


async def test_every_hop_asks_and_is_judged_anew(serve: Serve) -> None:
    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://media.example:{request.url.port}/next")

    server = await serve(redirect)
    resolver = Names(["127.0.0.1"], ["127.0.0.2"])
    strict = PublicLoopback(max_bytes=100, timeout=10, read_timeout=10, resolver=resolver)

    with pytest.raises(BlockedUrl, match=r"media.example:[0-9]+/next points to a private address"):
        await strict.fetch(reference(f"http://media.example:{server.port}/first"))

    assert resolver.asked == ["media.example", "media.example"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.2/",
        "http://[::1]/",
        "http://0x7f.2/",
        "//10.0.0.1/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/a.png",
        "http://user@127.0.0.1/",
        "http://127.0.0.1%2f@10.0.0.1/",
    ],
)
async def test_redirects_to_where_we_do_not_go(serve: Serve, location: str) -> None:
    async def redirect(request: web.Request) -> web.Response:
        del request
        return web.Response(status=302, headers={"Location": location})

    server = await serve(redirect)
    strict = PublicLoopback(max_bytes=100, timeout=10, read_timeout=10)

    with pytest.raises(BlockedUrl, match=r"^init_image: "):
        await strict.fetch(reference(server.make_url("/")))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("file:///etc/passwd", "only http and https URLs are fetched, got file"),
        ("gopher://example.com/", "got gopher"),
        ("http://user:secret@example.com/", "a user name or a password"),
        ("http://127.0.0.1%2f@10.0.0.1/", "a user name or a password"),
    ],
)
async def test_urls_that_are_refused_unasked(value: str, message: str) -> None:
    with pytest.raises(BlockedUrl, match=rf"^init_image: .*{message}") as caught:
        await fetcher().fetch(reference(value))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["http://", "http:///a", "http://[::1", "http://a:99999/"])
async def test_urls_that_are_none(value: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^init_image: .*URL"):
        await fetcher().fetch(reference(value))


@pytest.mark.parametrize(("hops", "good"), [(5, True), (6, False)])
async def test_five_redirects_are_followed(serve: Serve, hops: int, good: bool) -> None:
    async def redirect(request: web.Request) -> web.Response:
        number = int(request.match_info["path"])
        if number == hops:
            return web.Response(body=PNG)
        raise web.HTTPFound(f"{number + 1}")

    server = await serve(redirect)
    fetching = fetcher().fetch(reference(server.make_url("/0")))

    if good:
        assert await fetching == PNG
    else:
        with pytest.raises(FetchFailed, match=r"redirects more than 5 times"):
            await fetching


async def test_a_redirect_to_nowhere(serve: Serve) -> None:
    async def redirect(request: web.Request) -> web.Response:
        del request
        return web.Response(status=302)

    server = await serve(redirect)

    with pytest.raises(FetchFailed, match=r"redirects without saying where to"):
        await fetcher().fetch(reference(server.make_url("/")))


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (lambda: web.Response(status=404), "answered 404 Not Found"),
        (lambda: web.Response(status=500, reason="secret words"), "answered 500 Internal Server"),
        (lambda: web.Response(status=599), "answered 599"),
        (lambda: web.Response(status=204), "answered 204 No Content"),
        (web.Response, "answered an empty body"),
        (
            lambda: web.Response(text="\n <!DOCTYPE html><p>hello", content_type="text/html"),
            "answered a web page (HTML), not an image or a video",
        ),
        (
            lambda: web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
            "broke off before its end",
        ),
    ],
)
async def test_answers_that_are_no_media(
    serve: Serve, response: Callable[[], web.Response], message: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        return response()

    server = await serve(answer)
    url = server.make_url("/a.png")

    with pytest.raises(FetchFailed) as caught:
        await fetcher().fetch(reference(f"{url}?token=secret#secret"))

    assert str(caught.value).startswith(f"init_image: {url} {message}")
    assert "secret" not in str(caught.value)


async def test_the_media_type_does_not_decide(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=PNG, content_type="text/html")

    server = await serve(answer)

    assert await fetcher().fetch(reference(server.make_url("/"))) == PNG


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(bytes(200_000_000), 1)),
        ("br", brotli.compress(bytes(50_000_000), quality=1)),
    ],
)
async def test_packed_bodies_are_measured_unpacked(
    serve: Serve, encoding: str, packed: bytes
) -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=packed, headers={"Content-Encoding": encoding})

    server = await serve(answer)

    with pytest.raises(MediaTooLarge, match=r"above this worker's limit of 1\.0 MB") as caught:
        await fetcher(max_bytes=1_000_000).fetch(reference(server.make_url("/")))

    size = re.search(r"has ([\d.]+) MB", str(caught.value))
    assert size is not None
    assert float(size[1]) < 2  # it stopped at once


async def test_packed_bodies_within_the_limit(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=gzip.compress(PNG), headers={"Content-Encoding": "gzip"})

    server = await serve(answer)

    assert await fetcher().fetch(reference(server.make_url("/"))) == PNG


async def test_a_length_above_the_limit_is_refused_unread(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000000000"})
        await response.prepare(request)
        await asyncio.sleep(3600)
        return response

    server = await serve(answer)

    with pytest.raises(MediaTooLarge, match=r"has 5000.0 MB, above"):
        await fetcher().fetch(reference(server.make_url("/")))


async def test_a_body_without_end(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))

    server = await serve(answer)

    with pytest.raises(MediaTooLarge):
        await fetcher().fetch(reference(server.make_url("/")))


async def test_a_body_shorter_than_its_length(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(PNG)
        assert request.transport is not None
        request.transport.close()
        return response

    server = await serve(answer)

    with pytest.raises(FetchFailed, match=r"broke off before its end"):
        await fetcher().fetch(reference(server.make_url("/")))


@pytest.mark.parametrize(
    ("total", "read_timeout", "pause", "message"),
    [
        (0.5, 10, 0.1, "was not fetched within 0.5 s"),  # each byte in time, the whole never
        (10, 0.2, 3600, "sent nothing for too long"),
    ],
)
async def test_slow_bodies(
    serve: Serve, total: float, read_timeout: float, pause: float, message: str
) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(pause)

    server = await serve(drip)

    with pytest.raises(FetchFailed, match=message):
        await fetcher(timeout=total, read_timeout=read_timeout).fetch(
            reference(server.make_url("/"))
        )


async def test_a_redirect_does_not_start_the_clock_anew(serve: Serve) -> None:
    async def dawdle(request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        raise web.HTTPFound(request.path)

    server = await serve(dawdle)

    with pytest.raises(FetchFailed, match=r"was not fetched within 0.5 s"):
        await fetcher(timeout=0.5).fetch(reference(server.make_url("/")))


@pytest.mark.parametrize(
    "host", ["nowhere.invalid", f"{'a' * 70}.example", "exa mple", "a..b", "xn--a", "%00", "☃" * 80]
)
async def test_names_that_lead_nowhere(host: str) -> None:
    with pytest.raises(RequestError, match=r"^init_image: "):
        await fetcher().fetch(reference(f"http://{host}/a.png"))


async def test_a_name_without_addresses() -> None:
    with pytest.raises(FetchFailed, match=r"has a host name that could not be resolved"):
        await fetcher(resolver=Names([])).fetch(reference("http://media.example/"))


async def test_a_port_where_nobody_listens() -> None:
    with pytest.raises(FetchFailed, match=r"http://127.0.0.1:9/a could not be reached"):
        await fetcher().fetch(reference("http://127.0.0.1:9/a?b"))


async def test_no_proxy_of_the_environment_is_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server = await serve(answer_png)

    assert await fetcher().fetch(reference(server.make_url("/"))) == PNG


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_get("/", answer_png)
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=self_signed(tmp_path))

    with pytest.raises(FetchFailed, match=r"has a TLS certificate that is not valid for it"):
        await fetcher().fetch(reference(server.make_url("/")))
    await server.close()


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = dated.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(secret + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_a_server_that_speaks_no_tls(serve: Serve) -> None:
    server = await serve(answer_png)

    with pytest.raises(FetchFailed, match=r"could not be reached over TLS"):
        await fetcher().fetch(reference(f"https://127.0.0.1:{server.port}/"))

"""S3 servers for any test: `swift`, `bucket`, `moto`, `fault_proxy`, and clients of them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pytest

from .fault_proxy import FaultProxy
from .moto_server import Moto
from .swift import Swift, has_user_xattrs


class Server(Protocol):
    """Where an S3 server is and who may use it: Swift, Moto, a Bucket, an Account."""

    @property
    def url(self) -> str: ...
    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def region(self) -> str: ...


@dataclass(frozen=True)
class Account:
    """A server's user, for clients whose key, secret, region or way there are not the usual."""

    url: str
    access_key: str
    secret_key: str
    region: str


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own for one test, and a client that asks Swift without the fault proxy."""

    name: str
    url: str
    access_key: str
    secret_key: str
    region: str
    client: Any

    def listed(self) -> list[str]:
        """What is in it."""
        listed = self.client.list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def read(self, key: str) -> bytes:
        """An object's bytes."""
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def uploads(self) -> list[str]:
        """The keys of the multipart uploads that are neither completed nor aborted."""
        listed = self.client.list_multipart_uploads(Bucket=self.name)
        return [upload["Key"] for upload in listed.get("Uploads", [])]


def s3_client(server: Server, **config: Any) -> Any:
    """A boto3 client by path, which does not try again; `config` goes over botocore's Config."""
    import boto3
    from botocore.config import Config

    settings: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path"},
        "retries": {"total_max_attempts": 1},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "proxies": {},
    }
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
        config=Config(**settings | config),
    )


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A real S3 server, one in each process of the tests."""
    usual = tmp_path_factory.mktemp("swift")
    # A /tmp in memory may have no xattrs; /var/tmp is on a disk.
    place = usual if has_user_xattrs(usual) else Path("/var/tmp")  # noqa: S108
    if not has_user_xattrs(place):
        pytest.skip(f"Swift needs user xattrs, which the file system of {usual} does not have")
    with (
        TemporaryDirectory(dir=place, prefix="swift-", ignore_cleanup_errors=True) as folder,
        Swift(Path(folder)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """A server for lifecycle rules and tags only; it believes every signature."""
    with Moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def swift_client(swift: Swift) -> Iterator[Any]:
    """Swift's owner."""
    with closing(s3_client(swift)) as client:
        yield client


@pytest.fixture
def bucket(swift: Swift, swift_client: Any) -> Bucket:
    """A new bucket in Swift."""
    name = next(_NAMES)
    swift_client.create_bucket(Bucket=name)
    return Bucket(name, swift.url, swift.access_key, swift.secret_key, swift.region, swift_client)


@pytest.fixture
def fault_proxy(swift: Swift) -> Iterator[FaultProxy]:
    """A proxy in front of Swift, without faults so far."""
    with FaultProxy(swift.url) as proxy:
        yield proxy


@pytest.fixture
def client_of(swift: Swift) -> Iterator[Callable[..., Any]]:
    """Clients of Swift's account, or of one that differs: `client_of(secret_key="wrong")`.

    `config=` is a dictionary of botocore's Config.
    """
    usual = Account(swift.url, swift.access_key, swift.secret_key, swift.region)
    with ExitStack() as open_clients:

        def make(*, config: dict[str, Any] | None = None, **other: str) -> Any:
            client = s3_client(replace(usual, **other), **(config or {}))
            return open_clients.enter_context(closing(client))

        yield make


_NAMES = (f"videos-{uuid.uuid4().hex[:8]}-{number}" for number in itertools.count())

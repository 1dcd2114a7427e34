"""The S3 servers, and storages that lead to them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.storage.s3 import Patience, Place, S3Storage, Sizes
from tests.s3.fault_proxy import FaultProxy
from tests.s3.fixtures import (  # noqa: F401
    Bucket,
    bucket,
    client_of,
    fault_proxy,
    moto,
    swift,
    swift_client,
)

#: As small as the test server lets parts be.
PART = 64 * 1024
SMALL_PARTS = Sizes(multipart_above=2 * PART, part=PART)

Made = Callable[..., S3Storage]


@pytest.fixture
def place(bucket: Bucket) -> Callable[..., Place]:  # noqa: F811
    """The place of this test's bucket, or one that differs from it."""

    def make(**other: Any) -> Place:
        usual = {
            "endpoint_url": bucket.url,
            "access_key_id": bucket.access_key,
            "secret_access_key": bucket.secret_key,
            "bucket": bucket.name,
        }
        return Place.from_settings(**{**usual, **other})

    return make


@pytest.fixture
def storage(place: Callable[..., Place]) -> S3Storage:
    """The bucket of one test."""
    return S3Storage(place(), sizes=SMALL_PARTS)


@pytest.fixture
def shaky(place: Callable[..., Place], fault_proxy: FaultProxy) -> Made:  # noqa: F811
    """The bucket of one test behind the proxy that puts in the faults."""

    def make(*, attempts: int = 3, read_timeout: float = 5, **options: Any) -> S3Storage:
        patience = Patience(attempts=attempts, connect_timeout=2, read_timeout=read_timeout)
        usual: dict[str, Any] = {
            "sizes": SMALL_PARTS,
            "patience": patience,
            "abort_pause": 0.1,
            "pauses": (),
        }
        return S3Storage(place(endpoint_url=fault_proxy.url), **{**usual, **options})

    return make


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file that goes up in one request."""
    path = tmp_path / "small.mp4"
    path.write_bytes(os.urandom(PART))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that goes up in seven parts, the last of them short."""
    path = tmp_path / "large.mp4"
    path.write_bytes(os.urandom(6 * PART + 1000))
    return path

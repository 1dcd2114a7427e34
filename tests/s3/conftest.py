"""The S3 servers' fixtures."""

from tests.s3.fixtures import (  # noqa: F401
    bucket,
    client_of,
    fault_proxy,
    moto,
    swift,
    swift_client,
)

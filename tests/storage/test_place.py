"""Where a bucket is, read off the operator's settings or a job's s3Config."""

from collections.abc import Mapping
from typing import Any

import pytest

from src.errors import InvalidRequest
from src.storage.s3 import Place, place_of
from src.storage.s3.hosts import read_host

R2_ACCOUNT = "0123456789abcdef0123456789abcdef"
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "top-secret-word"}


def place(**settings: Any) -> Place:
    return Place.from_settings(**{"endpoint_url": None, "bucket": None, **KEYS, **settings})


@pytest.mark.parametrize(
    ("endpoint_url", "bucket", "expected"),
    [
        # Amazon
        (None, "films", (None, "films", "us-east-1", "virtual")),
        (
            "https://s3.amazonaws.com",
            "films",
            ("https://s3.amazonaws.com", "films", "us-east-1", "virtual"),
        ),
        (
            "https://films.s3.amazonaws.com",
            None,
            ("https://s3.amazonaws.com", "films", "us-east-1", "virtual"),
        ),
        (
            "https://s3.eu-west-1.amazonaws.com/",
            "films",
            ("https://s3.eu-west-1.amazonaws.com", "films", "eu-west-1", "virtual"),
        ),
        (
            "https://films.s3.eu-west-1.amazonaws.com",
            "films",
            ("https://s3.eu-west-1.amazonaws.com", "films", "eu-west-1", "virtual"),
        ),
        (
            "https://films.s3-us-west-2.amazonaws.com",
            None,
            ("https://s3-us-west-2.amazonaws.com", "films", "us-west-2", "virtual"),
        ),
        (
            "https://s3.eu-west-1.amazonaws.com/films",
            None,
            ("https://s3.eu-west-1.amazonaws.com", "films", "eu-west-1", "virtual"),
        ),
        (
            "https://films.s3.dualstack.eu-central-1.amazonaws.com",
            None,
            ("https://s3.dualstack.eu-central-1.amazonaws.com", "films", "eu-central-1", "virtual"),
        ),
        (
            "https://films.s3-fips.us-gov-west-1.amazonaws.com",
            None,
            ("https://s3-fips.us-gov-west-1.amazonaws.com", "films", "us-gov-west-1", "virtual"),
        ),
        (
            "https://films.s3.cn-north-1.amazonaws.com.cn",
            None,
            ("https://s3.cn-north-1.amazonaws.com.cn", "films", "cn-north-1", "virtual"),
        ),
        (
            "https://films.s3-accelerate.amazonaws.com",
            None,
            ("https://s3-accelerate.amazonaws.com", "films", "us-east-1", "virtual"),
        ),
        (  # a dot in the name: no certificate covers it as a host
            "https://my.films.s3.eu-west-1.amazonaws.com",
            None,
            ("https://s3.eu-west-1.amazonaws.com", "my.films", "eu-west-1", "path"),
        ),
        # Cloudflare R2
        (
            f"https://{R2_ACCOUNT}.r2.cloudflarestorage.com",
            "films",
            (f"https://{R2_ACCOUNT}.r2.cloudflarestorage.com", "films", "auto", "path"),
        ),
        (
            f"https://{R2_ACCOUNT}.r2.cloudflarestorage.com/films",
            None,
            (f"https://{R2_ACCOUNT}.r2.cloudflarestorage.com", "films", "auto", "path"),
        ),
        (
            f"https://films.{R2_ACCOUNT}.eu.r2.cloudflarestorage.com",
            None,
            (f"https://{R2_ACCOUNT}.eu.r2.cloudflarestorage.com", "films", "auto", "virtual"),
        ),
        # Google
        (
            "https://storage.googleapis.com",
            "films",
            ("https://storage.googleapis.com", "films", "auto", "path"),
        ),
        (
            "https://films.storage.googleapis.com",
            None,
            ("https://storage.googleapis.com", "films", "auto", "virtual"),
        ),
        # Backblaze, DigitalOcean, Wasabi, the platform's own volumes
        (
            "https://s3.us-west-004.backblazeb2.com",
            "films",
            ("https://s3.us-west-004.backblazeb2.com", "films", "us-west-004", "path"),
        ),
        (
            "https://films.s3.eu-central-003.backblazeb2.com",
            None,
            ("https://s3.eu-central-003.backblazeb2.com", "films", "eu-central-003", "virtual"),
        ),
        (
            "https://films.fra1.digitaloceanspaces.com",
            None,
            ("https://fra1.digitaloceanspaces.com", "films", "fra1", "virtual"),
        ),
        (
            "https://s3.wasabisys.com",
            "films",
            ("https://s3.wasabisys.com", "films", "us-east-1", "path"),
        ),
        (
            "https://films.s3.eu-central-2.wasabisys.com",
            None,
            ("https://s3.eu-central-2.wasabisys.com", "films", "eu-central-2", "virtual"),
        ),
        (
            "https://s3api-eu-ro-1.runpod.io/",
            "films",
            ("https://s3api-eu-ro-1.runpod.io", "films", "EU-RO-1", "path"),
        ),
        # Servers of one's own
        (
            "http://localhost:9000",
            "films",
            ("http://localhost:9000", "films", "us-east-1", "path"),
        ),
        (
            "http://localhost:9000/films/",
            None,
            ("http://localhost:9000", "films", "us-east-1", "path"),
        ),
        ("http://[::1]:8080", "films", ("http://[::1]:8080", "films", "us-east-1", "path")),
        ("http://10.0.0.7:8080", "films", ("http://10.0.0.7:8080", "films", "us-east-1", "path")),
        ("http://10.0.0.7:8080", "10", ("http://10.0.0.7:8080", "10", "us-east-1", "path")),
        (
            "https://minio.example.com",
            "films",
            ("https://minio.example.com", "films", "us-east-1", "path"),
        ),
        (
            "https://films.minio.example.com:9000",
            "films",
            ("https://minio.example.com:9000", "films", "us-east-1", "virtual"),
        ),
        (  # looks like Amazon's to a careless eye
            "https://films.s3.example.com",
            "other",
            ("https://films.s3.example.com", "other", "us-east-1", "path"),
        ),
        (
            "https://s3.eu-west-1.amazonaws.com.evil.example",
            "films",
            ("https://s3.eu-west-1.amazonaws.com.evil.example", "films", "us-east-1", "path"),
        ),
    ],
)
def test_an_endpoint_says_where_the_bucket_is(
    endpoint_url: str | None, bucket: str | None, expected: tuple[str | None, str, str, str]
) -> None:
    found = place(endpoint_url=endpoint_url, bucket=bucket)

    assert (found.endpoint_url, found.bucket, found.region, found.addressing) == expected


@pytest.mark.parametrize("host", ["minio.example.com", "films.example.com", "s3.example.com"])
def test_a_host_of_no_documented_form_says_nothing(host: str) -> None:
    assert not read_host(host).known
    assert read_host(host).bucket is None


def test_what_is_said_outright_goes_over_what_the_host_says() -> None:
    found = place(
        endpoint_url="https://s3.eu-west-1.amazonaws.com",
        bucket="films",
        region="us-east-2",
        addressing="path",
    )

    assert (found.region, found.addressing) == ("us-east-2", "path")


def test_path_style_keeps_a_host_whose_first_label_is_the_buckets_name() -> None:
    found = place(endpoint_url="https://minio.example.com", bucket="minio", addressing="path")

    assert (found.endpoint_url, found.bucket) == ("https://minio.example.com", "minio")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"endpoint_url": "https://films.minio.example.com"}, "BUCKET_NAME must be set"),
        ({"endpoint_url": "http://localhost:9000"}, "BUCKET_NAME must be set"),
        ({}, "BUCKET_NAME must be set where BUCKET_ENDPOINT_URL is not"),
        ({"bucket": "films", "access_key_id": None}, "BUCKET_ACCESS_KEY_ID must be set"),
        ({"bucket": "films", "secret_access_key": None}, "BUCKET_SECRET_ACCESS_KEY must be set"),
        ({"bucket": "films", "secret_access_key": "a b"}, "without blanks, got '3 characters'"),
        ({"bucket": "a bucket"}, "BUCKET_NAME must be a bucket's name, got 'a bucket'"),
        ({"bucket": "films", "region": "eu west"}, "BUCKET_REGION must be a region's name"),
        (
            {"endpoint_url": "https://other.s3.amazonaws.com", "bucket": "films"},
            "BUCKET_NAME must name the same bucket as BUCKET_ENDPOINT_URL, which says 'other'",
        ),
        ({"endpoint_url": "s3.amazonaws.com", "bucket": "films"}, "must begin with https://"),
        ({"endpoint_url": "ftp://host", "bucket": "films"}, "must begin with https://"),
        ({"endpoint_url": "https://", "bucket": "films"}, "must begin with https://"),
        ({"endpoint_url": "https://host:99999", "bucket": "films"}, "must be a URL"),
        ({"endpoint_url": "https://[::1", "bucket": "films"}, "must be a URL"),
        ({"endpoint_url": "https://host/a/b"}, "must name no more than the bucket"),
    ],
)
def test_settings_that_do_not_fit_name_the_setting(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="BUCKET_") as error:
        place(**settings)

    assert message in str(error.value)


S3_CONFIG = {
    "accessId": "AKIDCALLER",
    "accessSecret": "callers-own-secret",
    "bucketName": "callers",
    "endpointUrl": "https://s3.eu-west-1.amazonaws.com",
}


def test_a_jobs_s3_config_is_a_place_of_the_callers() -> None:
    found = place_of(S3_CONFIG)

    assert (found.bucket, found.region) == ("callers", "eu-west-1")
    assert (found.access_key_id, found.secret_access_key) == ("AKIDCALLER", "callers-own-secret")
    assert found.is_callers
    assert not place(bucket="films").is_callers


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accessId": None}, "s3Config.accessId must be set"),
        ({"accessId": 7}, "s3Config.accessId must be a string"),
        ({"accessSecret": ""}, "s3Config.accessSecret must be set"),
        ({"accessSecret": ["callers-own-secret"]}, "s3Config.accessSecret must be a string"),
        ({"accessSecret": "x" * 5000}, "s3Config.accessSecret must be at most 1024"),
        ({"accessSecret": "line\nbreak"}, "s3Config.accessSecret must be at most 1024"),
        ({"accessId": "x" * 300}, "s3Config.accessId must be at most 256"),
        ({"bucketName": "../etc"}, "s3Config.bucketName must be a bucket's name"),
        ({"bucketName": "arn:aws:s3:::x"}, "s3Config.bucketName must be a bucket's name"),
        ({"bucketName": None}, "s3Config.bucketName must be set"),
        ({"endpointUrl": "file:///etc/passwd"}, "s3Config.endpointUrl must begin with https://"),
        ({"endpointUrl": "https://u:hidden@host"}, "must have no user name, password, query"),
        ({"endpointUrl": "https://host?hidden=1"}, "must have no user name, password, query"),
        ({"endpointUrl": "https://host#hidden"}, "must have no user name, password, query"),
        ({"endpointUrl": "https://ho st"}, "s3Config.endpointUrl must be a URL in ASCII"),
        ({"endpointUrl": "https://evil\\@host"}, "s3Config.endpointUrl must be a URL in ASCII"),
        ({"endpointUrl": "https://h" + "o" * 600}, "s3Config.endpointUrl must have at most 512"),
        ({"region": {"eu": 1}}, "s3Config.region must be a string"),
        ({"region": "x\r\nHost: evil"}, "s3Config.region must be a region's name"),
    ],
)
def test_an_s3_config_that_is_wrong_names_the_field_and_shows_no_secret(
    changes: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        place_of({**S3_CONFIG, **changes})

    assert message in str(error.value)
    assert "callers-own-secret" not in str(error.value)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize("value", ["text", 5, [], True, ["accessId"]])
def test_an_s3_config_must_be_an_object(value: object) -> None:
    with pytest.raises(InvalidRequest, match="s3Config must be an object"):
        place_of(value)


def test_no_repr_shows_the_keys() -> None:
    shown = repr(place_of(S3_CONFIG)) + str(place_of(S3_CONFIG))

    assert "callers-own-secret" not in shown
    assert "AKIDCALLER" not in shown
    assert "callers" in shown

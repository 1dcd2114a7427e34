"""The rules that clean up behind us, in a server that knows lifecycle rules and tags."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.errors import StorageError
from src.storage import Item
from src.storage.s3 import Place, S3Storage
from src.storage.s3.lifecycle import TEMP_RULE, UNFINISHED_RULE
from tests.s3.fixtures import s3_client
from tests.s3.moto_server import Moto

THEIRS = {
    "ID": "somebody-elses",
    "Status": "Enabled",
    "Filter": {"Prefix": "logs/"},
    "Expiration": {"Days": 30},
}


@pytest.fixture
def client(moto: Moto) -> Iterator[Any]:
    client = s3_client(moto)
    bucket = f"rules-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    client.bucket = bucket
    yield client
    client.close()


@pytest.fixture
def storage(moto: Moto, client: Any) -> S3Storage:
    place = Place.from_settings(
        endpoint_url=moto.url,
        access_key_id=moto.access_key,
        secret_access_key=moto.secret_key,
        bucket=client.bucket,
    )
    return S3Storage(place, prefix="films", temp_prefix="short-lived")


def rules(client: Any) -> dict[str, Any]:
    found = client.get_bucket_lifecycle_configuration(Bucket=client.bucket)["Rules"]
    return {rule["ID"]: rule for rule in found}


def test_the_rules_are_installed_where_there_were_none(storage: S3Storage, client: Any) -> None:
    said = storage.install_rules()

    assert "has new rules" in said
    assert set(rules(client)) == {TEMP_RULE, UNFINISHED_RULE}
    assert rules(client)[TEMP_RULE]["Filter"]["Prefix"] == "short-lived/"
    assert rules(client)[TEMP_RULE]["Expiration"]["Days"] == 1
    assert rules(client)[UNFINISHED_RULE]["Filter"]["Prefix"] == "films/"
    assert "Expiration" not in rules(client)[UNFINISHED_RULE]
    for rule in rules(client).values():
        assert rule["Status"] == "Enabled"
        assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1


def test_a_second_time_writes_nothing(storage: S3Storage) -> None:
    storage.install_rules()
    writes: list[object] = []
    storage.clients.patient.meta.events.register(
        "before-send.s3.PutBucketLifecycleConfiguration", lambda **_: writes.append(1)
    )

    assert "has the rules already" in storage.install_rules()
    assert not writes


def test_rules_of_others_stay_and_a_spoilt_one_of_ours_is_mended(
    storage: S3Storage, client: Any
) -> None:
    spoilt = {**THEIRS, "ID": TEMP_RULE, "Status": "Disabled"}
    client.put_bucket_lifecycle_configuration(
        Bucket=client.bucket, LifecycleConfiguration={"Rules": [THEIRS, spoilt]}
    )

    assert "1 other rule" in storage.install_rules()
    assert set(rules(client)) == {"somebody-elses", TEMP_RULE, UNFINISHED_RULE}
    assert rules(client)["somebody-elses"]["Expiration"]["Days"] == 30
    assert rules(client)[TEMP_RULE]["Status"] == "Enabled"


def test_the_rules_are_sent_with_their_md5(storage: S3Storage) -> None:
    sent: list[Any] = []
    storage.clients.patient.meta.events.register_first(
        "before-send.s3.PutBucketLifecycleConfiguration",
        lambda request, **_: sent.append(request.headers.get("Content-MD5")),
    )
    storage.install_rules()

    assert len(sent) == 1
    assert sent[0]


@pytest.mark.parametrize("temp", [True, False])
def test_only_what_is_temporary_is_tagged(
    storage: S3Storage, client: Any, tmp_path: Path, temp: bool
) -> None:
    (tmp_path / "video").write_bytes(b"video")
    item = Item(name="job.mp4", content_type="video/mp4", temp=temp)
    storage.save(tmp_path / "video", item)
    tags = client.get_object_tagging(Bucket=client.bucket, Key=storage.key(item))["TagSet"]

    assert tags == ([{"Key": "temp", "Value": "true"}] if temp else [])


@pytest.mark.parametrize(
    ("prefix", "temp_prefix"), [("videos", ""), ("videos", "/"), ("temp", "temp"), ("t/v", "t")]
)
def test_a_rule_that_would_delete_lasting_results_is_refused(
    moto: Moto, client: Any, prefix: str, temp_prefix: str
) -> None:
    place = Place.from_settings(
        endpoint_url=moto.url, access_key_id="a", secret_access_key="b", bucket=client.bucket
    )
    with pytest.raises(StorageError, match="BUCKET_TEMP_PREFIX must be apart"):
        S3Storage(place, prefix=prefix, temp_prefix=temp_prefix).install_rules()

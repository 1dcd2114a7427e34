"""Which storage a job's result goes to."""

from pathlib import Path
from typing import Any

import pytest

from src.errors import InvalidRequest
from src.storage import InlineStorage, LocalFolder, Storage
from src.storage.s3 import Place, S3Storage
from src.storage.shelves import KEPT, Shelves


def s3_config(bucket: str = "callers") -> dict[str, Any]:
    return {
        "accessId": "AKIDCALLER",
        "accessSecret": "secret",
        "bucketName": bucket,
        "endpointUrl": "https://s3.eu-west-1.amazonaws.com",
    }


@pytest.fixture
def made() -> list[Place]:
    return []


@pytest.fixture
def shelves(tmp_path: Path, made: list[Place]) -> Shelves:
    def callers(place: Place) -> Storage:
        made.append(place)
        return S3Storage(place)

    return Shelves(default=LocalFolder(tmp_path), inline=InlineStorage(), callers=callers)


@pytest.mark.parametrize("config", [None, s3_config(), "wrong"])
def test_base64_goes_over_everything_else(shelves: Shelves, config: object) -> None:
    assert shelves.choose(config, as_base64=True) is shelves.inline


def test_without_a_wish_the_default_is_taken(shelves: Shelves) -> None:
    assert shelves.choose(None, as_base64=False) is shelves.default


def test_a_jobs_own_bucket_is_made_once_for_many_jobs(shelves: Shelves, made: list[Place]) -> None:
    first = shelves.choose(s3_config(), as_base64=False)
    second = shelves.choose(s3_config(), as_base64=False)

    assert first is second
    assert [place.bucket for place in made] == ["callers"]
    assert made[0].is_callers


def test_another_secret_is_another_storage(shelves: Shelves) -> None:
    other = {**s3_config(), "accessSecret": "another"}

    assert shelves.choose(s3_config(), as_base64=False) is not shelves.choose(
        other, as_base64=False
    )


def test_only_so_many_callers_storages_are_kept(shelves: Shelves, made: list[Place]) -> None:
    for number in range(KEPT + 1):
        shelves.choose(s3_config(f"bucket-{number}"), as_base64=False)
    shelves.choose(s3_config("bucket-0"), as_base64=False)

    assert len(made) == KEPT + 2


@pytest.mark.parametrize("config", [{}, [], "text", 0])
def test_an_s3_config_that_is_wrong_is_never_passed_over(shelves: Shelves, config: object) -> None:
    with pytest.raises(InvalidRequest, match="s3Config"):
        shelves.choose(config, as_base64=False)

"""What an operator sees at a terminal."""

import pytest

from src.bucket import main
from tests.s3.fixtures import Bucket, s3_client
from tests.s3.moto_server import Moto


@pytest.fixture
def settings(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "BUCKET_ENDPOINT_URL": f"{bucket.url}/{bucket.name}",
        "BUCKET_ACCESS_KEY_ID": bucket.access_key,
        "BUCKET_SECRET_ACCESS_KEY": bucket.secret_key,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("settings")
def test_a_bucket_that_works_is_told_with_what_was_understood_of_the_settings(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("All is well")
    assert f"bucket '{bucket.name}' at {bucket.url}, region us-east-1, path-style" in said


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("BUCKET_SECRET_ACCESS_KEY", "wrong", "see BUCKET_SECRET_ACCESS_KEY"),
        ("BUCKET_NAME", "another", "BUCKET_NAME must name the same bucket"),
        ("BUCKET_ENDPOINT_URL", "https://films.example.com", "BUCKET_NAME must be set"),
        ("BUCKET_ENDPOINT_URL", "", "no bucket is set"),
        ("BUCKET_URL_LIFETIME", "9000000", "bucket_url_lifetime"),
    ],
)
def test_what_is_wrong_is_told_and_the_exit_code_says_so(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    hint: str,
) -> None:
    monkeypatch.setenv(name, value)

    assert main(["check"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("It did not work: ")
    assert hint in said
    assert "Traceback" not in said


def test_the_rules_are_installed_once(
    moto: Moto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = s3_client(moto)
    client.create_bucket(Bucket="operators")
    client.close()
    monkeypatch.setenv("BUCKET_ENDPOINT_URL", moto.url)
    monkeypatch.setenv("BUCKET_NAME", "operators")
    monkeypatch.setenv("BUCKET_ACCESS_KEY_ID", moto.access_key)
    monkeypatch.setenv("BUCKET_SECRET_ACCESS_KEY", moto.secret_key)

    assert [main(["install-temp-rule"]), main(["install-temp-rule"])] == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert "has new rules: worker-video-temp, worker-video-unfinished" in first
    assert "has the rules already" in second


@pytest.mark.usefixtures("settings")
def test_a_bucket_that_does_not_know_rules_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-temp-rule"]) == 1
    assert "to do by hand: expire 'temp/'" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["destroy"]])
def test_an_unknown_command_shows_the_known_ones(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "install-temp-rule" in capsys.readouterr().err

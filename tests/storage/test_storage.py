import base64
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname, urlopen

import pytest

from src.errors import StorageError
from src.storage import InlineStorage, LocalFolder

VIDEO = bytes(range(256)) * 5


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "made.mp4"
    path.write_bytes(VIDEO)
    return path


def test_a_local_result_lies_under_its_key_and_the_url_leads_to_it(
    video: Path, tmp_path: Path
) -> None:
    url = LocalFolder(tmp_path / "new" / "out").save(video, key="job.mp4", content_type="video/mp4")

    assert Path(url2pathname(urlsplit(url).path)).read_bytes() == VIDEO
    assert url.endswith("/new/out/job.mp4")


def test_a_second_result_under_one_key_replaces_the_first(video: Path, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "out")
    folder.save(video, key="job.mp4", content_type="video/mp4")
    video.write_bytes(b"later")
    folder.save(video, key="job.mp4", content_type="video/mp4")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["job.mp4"]
    assert (tmp_path / "out" / "job.mp4").read_bytes() == b"later"


def test_a_key_cannot_leave_the_folder(video: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="leads out of"):
        LocalFolder(tmp_path / "out").save(video, key="../made2.mp4", content_type="video/mp4")

    assert not (tmp_path / "made2.mp4").exists()


def test_a_folder_that_cannot_be_written_is_a_storage_error(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        LocalFolder(tmp_path / "file").save(video, key="job.mp4", content_type="video/mp4")


def test_an_inline_result_is_a_url_that_holds_the_bytes(video: Path) -> None:
    url = InlineStorage(limit_bytes=10_000).save(video, key="job.gif", content_type="image/gif")

    with urlopen(url) as answer:  # noqa: S310  a data URI, made above
        assert answer.read() == VIDEO
        assert answer.headers.get_content_type() == "image/gif"


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_the_inline_limit_counts_base64(video: Path, spare: int, fits: bool) -> None:
    storage = InlineStorage(limit_bytes=len(base64.b64encode(VIDEO)) + spare)
    if fits:
        storage.save(video, key="job.mp4", content_type="video/mp4")
    else:
        with pytest.raises(StorageError, match="above the limit"):
            storage.save(video, key="job.mp4", content_type="video/mp4")

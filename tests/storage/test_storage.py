import base64
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname, urlopen

import pytest

from src.config import Settings
from src.errors import StorageError
from src.storage import InlineStorage, Item, LocalFolder, decoded_size

VIDEO = bytes(range(256)) * 5
ITEM = Item(name="job.mp4", content_type="video/mp4")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "made.mp4"
    path.write_bytes(VIDEO)
    return path


def test_a_local_result_lies_under_its_name_and_the_url_leads_to_it(
    video: Path, tmp_path: Path
) -> None:
    links = LocalFolder(tmp_path / "new" / "out").save(video, ITEM)

    assert Path(url2pathname(urlsplit(links.url).path)).read_bytes() == VIDEO
    assert links.url.endswith("/new/out/job.mp4")


def test_the_local_link_is_known_before_there_is_a_file(video: Path, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "out")

    assert folder.links(ITEM) == folder.save(video, ITEM)


def test_a_second_result_of_one_name_replaces_the_first(video: Path, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "out")
    folder.save(video, ITEM)
    video.write_bytes(b"later")
    folder.save(video, ITEM)

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["job.mp4"]
    assert (tmp_path / "out" / "job.mp4").read_bytes() == b"later"


FACTS = {"request": "abc", "made-0": "e30="}


def test_a_local_result_is_found_with_what_was_kept_with_it(video: Path, tmp_path: Path) -> None:
    folder, item = LocalFolder(tmp_path / "out"), replace(ITEM, facts=FACTS)
    assert folder.find(item) is None
    links = folder.save(video, item)
    kept = LocalFolder(tmp_path / "out").find(item)

    assert kept is not None
    assert (kept.links, kept.size_bytes, kept.facts) == (links, len(VIDEO), FACTS)


def test_facts_go_with_the_file_that_they_were_kept_with(video: Path, tmp_path: Path) -> None:
    folder, item = LocalFolder(tmp_path / "out"), replace(ITEM, facts=FACTS)
    folder.save(video, item)
    folder.save(video, ITEM)
    plain = folder.find(item)
    folder.save(video, item)
    folder.discard(item)

    assert plain is not None
    assert plain.facts == {}
    assert folder.find(item) is None
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\udcff"])
def test_facts_that_cannot_be_read_are_none(video: Path, tmp_path: Path, text: str) -> None:
    folder, item = LocalFolder(tmp_path / "out"), replace(ITEM, facts=FACTS)
    folder.save(video, item)
    (facts,) = (tmp_path / "out" / ".facts").iterdir()
    facts.write_bytes(text.encode("utf-8", "surrogateescape"))
    kept = folder.find(item)

    assert kept is not None
    assert kept.facts == {}


def test_a_name_cannot_leave_the_folder(video: Path, tmp_path: Path) -> None:
    item = Item(name="../made2.mp4", content_type="video/mp4")
    with pytest.raises(StorageError, match="leads out of"):
        LocalFolder(tmp_path / "out").save(video, item)

    assert not (tmp_path / "made2.mp4").exists()


def test_a_local_result_is_gone_after_a_discard_however_often(video: Path, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "out")
    folder.save(video, ITEM)
    folder.discard(ITEM)
    folder.discard(ITEM)

    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_written_is_a_storage_error(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        LocalFolder(tmp_path / "file").save(video, ITEM)
    with pytest.raises(StorageError, match="cannot make"):
        LocalFolder(tmp_path / "file").check()


def test_a_folder_that_takes_files_passes_its_check(tmp_path: Path) -> None:
    LocalFolder(tmp_path / "new").check()

    assert not list((tmp_path / "new").iterdir())


def test_an_inline_result_is_a_url_that_holds_the_bytes(video: Path) -> None:
    links = InlineStorage().save(video, Item(name="job.gif", content_type="image/gif"))

    with urlopen(links.url) as answer:  # noqa: S310  a data URI, made above
        assert answer.read() == VIDEO
        assert answer.headers.get_content_type() == "image/gif"


def test_an_inline_result_has_no_link_before_it_is_made() -> None:
    assert InlineStorage().links(ITEM) is None
    assert InlineStorage().find(ITEM) is None


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1279, 1280, 1281])
def test_what_fits_into_base64_is_known_beforehand(size: int) -> None:
    characters = len(base64.b64encode(bytes(size)))

    assert size <= decoded_size(characters) < size + 3


@pytest.mark.parametrize("prefix", [".", "..", "a/../b", "/./a"])
@pytest.mark.parametrize("setting", ["bucket_prefix", "bucket_temp_prefix"])
def test_a_prefix_that_links_would_lose_is_refused(setting: str, prefix: str) -> None:
    with pytest.raises(ValueError, match="no segment"):
        Settings.model_validate({setting: prefix})

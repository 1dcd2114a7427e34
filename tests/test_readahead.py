"""Files that are read before they are needed."""

import logging
from pathlib import Path

import pytest

from src import readahead
from src.readahead import PIECE, _pieces, read_ahead


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two pieces and a half, nothing, and some bytes."""
    found = []
    for name, size in (("a", 2 * PIECE + PIECE // 2), ("b", 0), ("c", 5)):
        (tmp_path / name).write_bytes(b"x" * size)
        found.append(tmp_path / name)
    return found


@pytest.mark.parametrize(
    ("most", "read"),
    [
        (1 << 40, [("a", 0), ("a", PIECE), ("a", 2 * PIECE), ("c", 0)]),
        (PIECE + 1, [("a", 0), ("a", PIECE)]),
        (PIECE, [("a", 0)]),
        (0, []),
        (-1, []),
    ],
)
def test_pieces_come_in_order_until_there_is_no_room(
    files: list[Path], most: int, read: list[tuple[str, int]]
) -> None:
    assert [(path.name, offset) for path, offset in _pieces(files, most)] == read


def test_every_byte_is_read_and_the_log_says_so(
    files: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "src")
    read_ahead(files).join(60)

    (line,) = [vars(record) for record in caplog.records]
    assert line["phase"] == "weights read ahead"
    assert line["bytes"] == sum(file.stat().st_size for file in files)
    assert line["seconds"] >= 0


def test_what_cannot_be_read_is_left_out(
    files: list[Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that is gone, a folder, and one that goes before its turn comes."""
    caplog.set_level(logging.INFO, "src")
    going = tmp_path / "going"
    going.write_bytes(b"x" * 7)
    read_piece = readahead._read_piece

    def gone(path: Path, offset: int, buffer: bytearray) -> int:
        going.unlink(missing_ok=True)
        return read_piece(path, offset, buffer)

    monkeypatch.setattr(readahead, "_read_piece", gone)
    read_ahead([tmp_path / "absent", tmp_path, going, files[2]]).join(60)

    (line,) = [vars(record) for record in caplog.records]
    assert line["bytes"] == 5


def test_nobody_waits_for_it_at_the_end_of_the_process(files: list[Path]) -> None:
    thread = read_ahead(files)
    assert thread.daemon
    thread.join(60)

from pathlib import Path

import pytest

from src.errors import EncodingError
from src.media.mp4 import Mp4Options
from src.media.selfcheck import check

OPTIONS = Mp4Options(crf=21, preset="superfast", timeout=60)


def script(path: Path, words: str) -> Path:
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("crf", [0, 21, 51])
def test_the_ffmpeg_that_is_shipped_works(ffmpeg: str, crf: int) -> None:
    check(Mp4Options(crf=crf, preset="superfast", timeout=60), ffmpeg=ffmpeg)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (None, "No such file or directory"),
        ("exit 0", ""),
        ("echo libx264 is missing >&2; exit 1", "libx264 is missing"),
        ("kill -9 $$", "status -9"),
    ],
)
def test_an_ffmpeg_that_does_not_work_is_named_with_what_it_says(
    tmp_path: Path, words: str | None, said: str
) -> None:
    binary = tmp_path / "ffmpeg"
    if words:
        script(binary, words)

    with pytest.raises(EncodingError, match=rf"^ffmpeg \({binary}\) does not work: .*{said}"):
        check(OPTIONS, ffmpeg=str(binary))


def test_an_ffmpeg_that_changes_the_frames_does_not_pass(ffmpeg: str, tmp_path: Path) -> None:
    """It turns every picture black where it should convert the colours."""
    binary = script(
        tmp_path / "ffmpeg",
        f'for word; do shift; case "$word" in scale=out*) word="geq=0:128:128,$word";; esac\n'
        f'set -- "$@" "$word"; done; exec {ffmpeg} "$@"',
    )

    with pytest.raises(EncodingError, match=r"greys of \[32.0, 96.0, 160.0, 224.0\] came back as"):
        check(OPTIONS, ffmpeg=str(binary))


def test_a_file_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    binary = script(tmp_path / "ffmpeg", "exit 0")
    binary.chmod(0o644)

    with pytest.raises(EncodingError, match="Permission denied"):
        check(OPTIONS, ffmpeg=str(binary))

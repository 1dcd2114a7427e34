from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.errors import EncodingError
from src.generation import Clip, VideoFormat
from src.media.encode import write
from src.media.mp4 import Mp4Options
from src.media.poster import poster

OPTIONS = Mp4Options(crf=10, preset="superfast", timeout=60)
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (10, 10, 10), (200, 120, 40)]


def video(path: Path, colours: list[tuple[int, int, int]], ffmpeg: str) -> Path:
    """One frame of each colour."""
    frames = np.empty((len(colours), 64, 96, 3), np.uint8)
    frames[:] = np.array(colours)[:, None, None]
    clip = Clip(
        width=96, height=64, num_frames=len(colours), fps=Fraction(8), chunks=iter([frames])
    )
    write(clip, path, video_format=VideoFormat(path.suffix[1:]), mp4=OPTIONS, ffmpeg=ffmpeg)
    return path


@pytest.mark.parametrize("video_format", VideoFormat)
@pytest.mark.parametrize("colour", COLOURS)
def test_the_poster_is_the_first_frame_in_its_size_and_its_colours(
    ffmpeg: str, tmp_path: Path, video_format: VideoFormat, colour: tuple[int, int, int]
) -> None:
    others = [other for other in COLOURS if other != colour]
    path = video(tmp_path / f"a.{video_format}", [colour, *others], ffmpeg)
    target = tmp_path / "a.jpg"

    poster(path, target, timeout=20, ffmpeg=ffmpeg)

    with Image.open(target) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (96, 64), "RGB")
        assert np.asarray(image).mean(axis=(0, 1)) == pytest.approx(colour, abs=4)
    assert set(tmp_path.iterdir()) == {path, target}


@pytest.mark.parametrize("content", [None, b"", b"GIF89a nothing", b"\0\0\0\x18ftypisom nothing"])
def test_a_video_without_a_first_frame_is_an_error_and_leaves_no_file(
    ffmpeg: str, tmp_path: Path, content: bytes | None
) -> None:
    path, target = tmp_path / "broken", tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(EncodingError):
        poster(path, target, timeout=20, ffmpeg=ffmpeg)

    assert not target.exists()


def test_a_folder_that_is_not_there_is_an_error(ffmpeg: str, tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", COLOURS, ffmpeg)

    with pytest.raises(EncodingError, match="No such file"):
        poster(path, tmp_path / "nowhere" / "a.jpg", timeout=20, ffmpeg=ffmpeg)

import itertools
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from src.errors import InvalidRequest, MediaTooLarge, UndecodableMedia
from src.media.ffmpeg import ProcessLimits
from src.media.limits import VideoLimits
from src.media.packets import parse_packets
from src.media.videos import decode_video

from .conftest import RunFfmpeg, child_pids

Frames = npt.NDArray[np.uint8]
Decode = Callable[..., Frames]
Make = Callable[..., bytes]

LIMITS = VideoLimits(max_pixels=1_000_000, max_seconds=60, max_frames=500, timeout=30)

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "2M")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p")


@pytest.fixture
def decode(ffmpeg: str) -> Decode:
    return partial(
        decode_video,
        field="init_video",
        num_frames=5,
        width=64,
        height=32,
        limits=LIMITS,
        ffmpeg=ffmpeg,
    )


@pytest.fixture
def make(run_ffmpeg: RunFfmpeg, tmp_path: Path) -> Make:
    """A video of these frames, written by ffmpeg."""

    def write(
        frames: Frames, suffix: str, *options: str, rate: str = "25", before: tuple[str, ...] = ()
    ) -> bytes:
        path = tmp_path / f"made.{suffix}"
        _, height, width, _ = frames.shape
        raw = ("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width}x{height}")
        log = run_ffmpeg(
            *raw, "-framerate", rate, *before, "-i", "-", *options, path, data=frames.tobytes()
        )
        assert path.exists(), log
        return path.read_bytes()

    return write


def rising(count: int, width: int = 64, height: int = 32) -> Frames:
    """Grey frames, each 10 levels lighter than the one before."""
    levels = np.arange(count, dtype=np.uint8) * 10
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def order(frames: Frames) -> list[int]:
    """Which of the rising frames these are."""
    return [round(float(frame.mean()) / 10) for frame in frames]


def quarters(count: int = 3, width: int = 96, height: int = 64) -> Frames:
    frames = np.full((count, height, width, 3), 255, np.uint8)
    frames[:, : height // 2, : width // 2] = (255, 0, 0)
    frames[:, : height // 2, width // 2 :] = (0, 255, 0)
    frames[:, height // 2 :, : width // 2] = (0, 0, 255)
    return frames


def corners(frame: Frames) -> str:
    height, width, _ = frame.shape
    pixels = frame[height // 4 :: height // 2, width // 4 :: width // 2].reshape(4, 3)
    names = {(1, 0, 0): "R", (0, 1, 0): "G", (0, 0, 1): "B", (1, 1, 1): "W", (0, 0, 0): "K"}
    return "".join(names[tuple((pixel > 127).astype(int))] for pixel in pixels)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", H264),
        ("mov", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "2")),
        ("mkv", H264),
        ("webm", VP8),
        ("webm", VP9),
        ("gif", ()),
    ],
)
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (1, [0]),
        (2, [0, 24]),
        (5, [0, 6, 12, 18, 24]),
        (9, [0, 3, 6, 9, 12, 15, 18, 21, 24]),
        (25, list(range(25))),
        (49, None),
    ],
)
def test_evenly_resampled(
    decode: Decode,
    make: Make,
    suffix: str,
    options: tuple[str, ...],
    asked: int,
    expected: list[int] | None,
) -> None:
    frames = decode(make(rising(25), suffix, *options), num_frames=asked)

    assert frames.shape == (asked, 32, 64, 3)
    assert frames.dtype == np.uint8
    if expected is not None:
        assert order(frames) == expected
    else:
        counts = np.bincount(order(frames), minlength=25)
        assert order(frames) == sorted(order(frames))
        assert set(counts) <= {1, 2, 3}
        assert order(frames)[0] == 0
        assert order(frames)[-1] == 24


@pytest.mark.parametrize(
    ("suffix", "rate"),
    [
        *itertools.product(["mp4", "mkv"], ["24000/1001", "30000/1001", "7", "60"]),
        *itertools.product(["gif"], ["24000/1001", "30000/1001", "7", "50"]),
    ],
)
def test_as_many_frames_as_there_are_are_those_frames(
    decode: Decode, make: Make, suffix: str, rate: str
) -> None:
    """Containers round times to their own units; that must not lose a frame or double one."""
    options = () if suffix == "gif" else H264
    data = make(rising(25), suffix, *options, rate=rate)

    assert order(decode(data, num_frames=25)) == list(range(25))


def test_two_frames_are_repeated_evenly(decode: Decode, make: Make) -> None:
    assert order(decode(make(rising(2), "mp4", *H264), num_frames=10)) == [0] * 5 + [1] * 5


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_a_single_frame_is_repeated(decode: Decode, make: Make, suffix: str) -> None:
    options = () if suffix == "gif" else H264
    data = make(np.full((1, 32, 64, 3), 120, np.uint8), suffix, *options)

    assert order(decode(data, num_frames=4)) == [12] * 4


def gif_of(frames: Frames, durations: list[int]) -> bytes:
    """`durations` in milliseconds."""
    file = BytesIO()
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(file, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return file.getvalue()


def test_uneven_times_are_sampled_by_time(decode: Decode) -> None:
    data = gif_of(rising(4), [100, 900, 100, 100])  # they begin at 0, 0.1, 1.0 and 1.1 s

    assert order(decode(data, num_frames=12)) == [0, *[1] * 9, 2, 3]


def test_a_moving_square_moves_evenly(decode: Decode, make: Make) -> None:
    frames = np.zeros((31, 64, 160, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[24:40, 4 * number : 4 * number + 16] = 255

    seen = decode(make(frames, "mp4", *H264), num_frames=11, width=160, height=64)

    middles = [np.nonzero(frame[32, :, 0] > 127)[0].mean() for frame in seen]
    assert middles == pytest.approx([7.5 + 12 * step for step in range(11)], abs=1)


@pytest.mark.parametrize("size", [(96, 64), (48, 32), (192, 128), (40, 40), (33, 71), (200, 24)])
def test_covers_the_size_and_is_cut_around_the_centre(
    decode: Decode, make: Make, size: tuple[int, int]
) -> None:
    width, height = size

    frames = decode(make(quarters(), "mp4", *H264), width=width, height=height)

    assert frames.shape == (5, height, width, 3)
    assert {corners(frame) for frame in frames} == {"RGBW"}


@pytest.mark.parametrize(("pixels", "size"), [("1", (64, 64)), ("2", (128, 64)), ("1/2", (32, 64))])
def test_the_shape_of_pixels_counts(
    decode: Decode, make: Make, pixels: str, size: tuple[int, int]
) -> None:
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    frames[:, 16:48, 16:48] = 255
    data = make(frames, "mp4", *H264, "-vf", f"setsar={pixels}")

    light = decode(data, width=size[0], height=size[1])[0, ..., 0] > 127

    assert light.any(axis=1).sum() == pytest.approx(32, abs=1)
    assert light.any(axis=0).sum() == pytest.approx(size[0] // 2, abs=2)


@pytest.mark.parametrize(("size", "asked"), [((1000, 8), (8, 200)), ((8, 1000), (200, 8))])
def test_very_long_frames_need_no_more_memory(
    decode: Decode, make: Make, size: tuple[int, int], asked: tuple[int, int]
) -> None:
    frames = np.full((2, size[1], size[0], 3), 200, np.uint8)

    seen = decode(make(frames, "mkv", *H264), width=asked[0], height=asked[1])

    assert seen.mean() == pytest.approx(200, abs=3)


@pytest.mark.parametrize(
    ("degrees", "turned"), [("90", "GWRB"), ("-90", "BRWG"), ("180", "WBGR"), ("0", "RGBW")]
)
def test_turned_upright(
    decode: Decode,
    make: Make,
    run_ffmpeg: RunFfmpeg,
    tmp_path: Path,
    degrees: str,
    turned: str,
) -> None:
    make(quarters(), "mp4", *H264)
    path = tmp_path / "turned.mp4"
    run_ffmpeg("-display_rotation", degrees, "-i", tmp_path / "made.mp4", "-c", "copy", path)

    assert corners(decode(path.read_bytes(), width=64, height=64)[0]) == turned


def test_what_is_transparent_becomes_white(decode: Decode) -> None:
    frames = [Image.new("P", (32, 16), 0) for _ in range(2)]
    file = BytesIO()
    for number, frame in enumerate(frames):
        frame.putpalette([0, 0, 0, 255, 0, 0])
        frame.paste(1, (0, 0, 8 + number, 16))
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], transparency=0, disposal=2)

    first = decode(file.getvalue(), width=32, height=16)[0]

    assert tuple(first[8, 2]) == (255, 0, 0)
    assert tuple(first[8, 28]) == (255, 255, 255)


def test_sound_does_not_disturb(decode: Decode, run_ffmpeg: RunFfmpeg, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    sources = ("-f", "lavfi", "-i", "sine=d=1", "-f", "lavfi", "-i", "testsrc=d=1:s=64x32:r=10")
    run_ffmpeg(*sources, *H264, "-c:a", "aac", path)

    assert decode(path.read_bytes()).std() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_pixels": 2047}, "has 64x32 pixels, above this worker's limit of 2047 pixels"),
        ({"max_seconds": 0.9}, "has 1 s, above this worker's limit of 0.9 s"),
        ({"max_seconds": 0.5, "max_frames": 20}, "has more than 0.84 s, above .* of 0.5 s"),
        ({"max_frames": 24}, "has more than 24 frames, above this worker's limit of 24 frames"),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_limits(
    decode: Decode, make: Make, suffix: str, change: dict[str, Any], message: str
) -> None:
    data = make(rising(25), suffix, *(() if suffix == "gif" else H264))

    with pytest.raises(MediaTooLarge, match=rf"^init_video: {message}"):
        decode(data, limits=replace(LIMITS, **change))


def test_the_limits_themselves_are_allowed(decode: Decode, make: Make) -> None:
    limits = replace(LIMITS, max_pixels=64 * 32, max_seconds=1, max_frames=25)

    assert len(decode(make(rising(25), "mp4", *H264), limits=limits)) == 5


def test_too_small(decode: Decode, make: Make) -> None:
    with pytest.raises(InvalidRequest, match=r"at least 8 pixels a side, got 64x4"):
        decode(make(rising(2, height=4), "gif"))


@pytest.fixture
def ten_minutes(run_ffmpeg: RunFfmpeg, tmp_path: Path) -> bytes:
    path = tmp_path / "long.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=s=16x16:r=10:d=600", *H264, path)
    return path.read_bytes()


def test_ten_minutes_are_refused_whatever_the_header_says(
    decode: Decode, ten_minutes: bytes
) -> None:
    honest = replace(LIMITS, max_frames=10_000)
    with pytest.raises(MediaTooLarge, match=r"^init_video: has 600 s, above .* of 60 s"):
        decode(ten_minutes, limits=honest)

    lying = bytearray(ten_minutes)
    for box in (b"mvhd", b"mdhd"):  # version 0: flags, created, changed, unit, then the duration
        struct.pack_into(">I", lying, lying.index(box) + 4 + 16, 1)
    with pytest.raises(MediaTooLarge, match=r"above .* of 60 s"):
        decode(bytes(lying), limits=honest)
    with pytest.raises(MediaTooLarge, match=r"more than 100 frames"):
        decode(bytes(lying), limits=replace(LIMITS, max_frames=100))


def test_a_frame_larger_than_the_header_says(decode: Decode, make: Make) -> None:
    """The decoder has the limit, too, for streams whose own size is another one."""
    data = bytearray(make(np.zeros((3, 1024, 1024, 3), np.uint8), "mkv", *VP8))
    width = data.index(b"\xb0\x82\x04\x00")
    height = data.index(b"\xba\x82\x04\x00")
    struct.pack_into(">H", data, width + 2, 64)
    struct.pack_into(">H", data, height + 2, 64)

    with pytest.raises(MediaTooLarge, match=r"^init_video: has 1024x1024 pixels, above"):
        decode(bytes(data))


def test_time_is_up(decode: Decode, ten_minutes: bytes) -> None:
    limits = replace(LIMITS, max_seconds=700, max_frames=10_000, timeout=0.001)

    with pytest.raises(MediaTooLarge, match=r"takes longer to read than 0\.001 s"):
        decode(ten_minutes, limits=limits)

    assert child_pids() == []


@pytest.mark.parametrize("options", [H264, (*H264, "-movflags", "+faststart"), VP8, ()])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
def test_cut_short(decode: Decode, make: Make, options: tuple[str, ...], kept: float) -> None:
    suffix = "gif" if not options else "webm" if options is VP8 else "mp4"
    noise = np.random.default_rng(0).integers(0, 256, (10, 32, 64, 3), np.uint8)
    data = make(noise, suffix, *options)

    with pytest.raises(UndecodableMedia, match=r"^init_video: the video is (cut short|damaged)"):
        decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "of no kind that this worker knows"),
        (b"<!doctype html>", "of the kind web page"),
        (b"\x89PNG\r\n\x1a\n", "of the kind PNG"),
        (b"RIFF\0\0\0\0AVI LIST", "of the kind AVI"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n", "no kind"),
        (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>', "of the kind XML"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST", "of the kind playlist"),
        (b"ffconcat version 1.0\nfile real.mp4\n", "of the kind playlist"),
        (b"\0\0\0\x08ftyp", "is damaged, or has no frames"),
        (b"\0\0\0\x08ftyp" + bytes(200), "the video is"),
        (b"\x1a\x45\xdf\xa3" + bytes(200), "is damaged, or has no frames"),
        (b"GIF89a\x10\0\x10\0\0\0\0;", "is damaged, or has no frames"),
    ],
)
def test_files_that_are_no_video(decode: Decode, data: bytes, message: str) -> None:
    with pytest.raises(UndecodableMedia, match=rf"^init_video: .*{message}"):
        decode(data)


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile {real}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{real}\n#EXT-X-ENDLIST\n",
    "concat without a header": "file {real}\n",
}


@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS)
@pytest.mark.parametrize("disguise", [b"", b"\0\0\0\x08ftyp", b"GIF89a", b"\x1a\x45\xdf\xa3"])
def test_playlists_lead_nowhere(
    decode: Decode, make: Make, tmp_path: Path, text: str, disguise: bytes
) -> None:
    """By whatever first bytes, and although the file that they name is there to be read."""
    make(rising(5), "mp4", *H264)
    data = disguise + text.format(real=tmp_path / "made.mp4").encode()

    with pytest.raises(UndecodableMedia):
        decode(data)


def test_a_codec_that_is_not_on_the_list(decode: Decode, make: Make) -> None:
    with pytest.raises(UndecodableMedia, match=r"must be a video in one of h264, .*, got ffv1"):
        decode(make(rising(3), "mkv", "-c:v", "ffv1"))


def test_sound_alone(decode: Decode, run_ffmpeg: RunFfmpeg, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", path)

    with pytest.raises(UndecodableMedia, match=r"has no frames"):
        decode(path.read_bytes())


def test_nothing_is_left_on_the_disk(
    decode: Decode, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    decode(make(rising(3), "mp4", *H264))
    with pytest.raises(UndecodableMedia):
        decode(b"GIF89a")

    assert list(folder.iterdir()) == []


def test_two_at_once(decode: Decode, make: Make) -> None:
    data = make(rising(25), "mp4", *H264)
    seen: list[list[int]] = []
    threads = [threading.Thread(target=lambda: seen.append(order(decode(data)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == [[0, 6, 12, 18, 24]] * 2


def test_the_kernel_is_told_the_limits() -> None:
    limits = ProcessLimits(address_space_bytes=1024**3, cpu_seconds=7, file_bytes=1024**2)
    ask = ["/bin/sh", "-c", "ulimit -c; ulimit -v; ulimit -t; ulimit -f; echo $0", "one two $HOME"]

    done = subprocess.run([*limits.launcher(), *ask], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["0", "1048576", "7", "2048", "one two $HOME"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#tb 0: 1/25\n#codec_id 0: h264\n#dimensions 0: 64x32\n",
        "0, 0, 0, 1, 10, 0x0\n",
        "#tb 0: 1/25\n#codec_id 0: h264\n#dimensions 0: 64x32\n0, NOPTS, NOPTS, 1, 10, 0x0\n",
    ],
)
def test_packets_that_say_nothing(text: str) -> None:
    assert parse_packets(text) is None

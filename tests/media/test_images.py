import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.errors import InvalidRequest, MediaTooLarge, RequestError, UndecodableMedia
from src.media.images import decode_image, fit

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
LIMIT = 1_000_000


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(data: bytes) -> Image.Image:
    return decode_image(data, field="init_image", max_pixels=LIMIT)


def quarters(mode: str = "RGB") -> Image.Image:
    """Red and green above, blue and white below; wider than high, to tell turns apart."""
    image = Image.new("RGB", (48, 32), WHITE)
    image.paste(RED, (0, 0, 24, 16))
    image.paste(GREEN, (24, 0, 48, 16))
    image.paste(BLUE, (0, 16, 24, 32))
    return image.convert(mode)


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours of the quarters' middles, rounded to black and white."""
    assert image.mode == "RGB"
    width, height = image.size
    small = np.asarray(image)[height // 4 :: height // 2, width // 4 :: width // 2]
    return [tuple(int(level > 127) * 255 for level in pixel) for pixel in small.reshape(4, 3)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("PNG", {"interlace": 1}),
        ("JPEG", {"quality": 95}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 90}),
        ("GIF", {}),
    ],
)
def test_formats(kind: str, options: dict[str, Any]) -> None:
    image = decoded(saved(quarters(), kind, **options))

    assert image.size == (48, 32)
    assert corners(image) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("mode", "kind"), [("P", "PNG"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG")]
)
def test_colour_modes(mode: str, kind: str) -> None:
    assert corners(decoded(saved(quarters(mode), kind))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("image", "level"),
    [
        (Image.new("L", (16, 16), 100), 100),
        (Image.new("1", (16, 16), 1), 255),
        (Image.new("LA", (16, 16), (100, 255)), 100),
        (Image.new("LA", (16, 16), (100, 0)), 255),
        (Image.fromarray(np.full((16, 16), 0x6480, np.uint16)), 0x64),
        (Image.fromarray(np.full((16, 16), 0xFFFF, np.uint16)), 255),
    ],
)
def test_shades_of_grey(image: Image.Image, level: int) -> None:
    assert decoded(saved(image)).getpixel((8, 8)) == (level,) * 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_becomes_white(kind: str) -> None:
    image = Image.new("RGBA", (24, 16), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 12, 8))
    image.paste((0, 0, 0, 128), (12, 0, 24, 8))

    page = decoded(saved(image, kind, lossless=True))

    assert page.getpixel((3, 3)) == RED
    assert page.getpixel((3, 12)) == WHITE
    assert page.getpixel((18, 3)) == (127, 127, 127)


@pytest.mark.parametrize(
    ("mode", "colour", "transparent"),
    [("RGB", BLUE, BLUE), ("L", 7, 7), ("P", 3, 3), ("P", 3, b"\xff" * 3 + b"\0")],
)
def test_a_transparent_colour_becomes_white(mode: str, colour: Any, transparent: Any) -> None:
    image = Image.new(mode, (16, 16), colour)
    if mode == "P":
        image.putpalette([0, 0, 0] * 4)

    assert decoded(saved(image, transparency=transparent)).getpixel((8, 8)) == WHITE


def test_16_bits_a_channel() -> None:
    """Pillow writes no such file, so this one is put together by hand."""
    row = b"\0" + struct.pack(">3H", 0xFFFF, 0x8000, 0x00FF) * 16
    header = struct.pack(">2I5B", 16, 16, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(row * 16)), (b"IEND", b"")):
        data += (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    assert decoded(data).getpixel((8, 8)) == (255, 128, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
        (99, [RED, GREEN, BLUE, WHITE]),
    ],
)
def test_turned_upright(kind: str, orientation: int, upright: list[tuple[int, ...]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    image = decoded(saved(quarters(), kind, exif=exif, quality=95, lossless=True))

    assert corners(image) == upright
    assert image.size == ((32, 48) if 5 <= orientation <= 8 else (48, 32))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x09", b"Exif\0\0" + b"\xff" * 50]
)
def test_broken_exif_is_no_reason_to_refuse(exif: bytes) -> None:
    assert corners(decoded(saved(quarters(), "JPEG", exif=exif))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    others = [Image.new("RGB", (48, 32), colour) for colour in (RED, BLUE)]

    data = saved(quarters(), kind, save_all=True, append_images=others, lossless=True)

    assert corners(decoded(data)) == [RED, GREEN, BLUE, WHITE]


def png_of(width: int, height: int) -> bytes:
    """A black PNG, made without ever having its pixels."""
    packer = zlib.compressobj(9)
    row = bytes((width + 7) // 8 + 1)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">2I5B", width, height, 1, 0, 0, 0, 0)
    for name, chunk in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
        data += (
            struct.pack(">I", len(chunk))
            + name
            + chunk
            + struct.pack(">I", zlib.crc32(name + chunk))
        )
    return data


def test_a_bomb_is_refused_by_its_size() -> None:
    """Also above the limit that Pillow has by itself, whose own error is never met."""
    for side in (13_000, 20_000):
        data = png_of(side, side)

        assert len(data) < 60_000
        with pytest.raises(
            MediaTooLarge,
            match=rf"^init_image: has {side}x{side} pixels, above .* limit of 1000000 pixels",
        ):
            decoded(data)


def test_the_limit_itself_is_allowed() -> None:
    assert decoded(saved(Image.new("1", (1000, 1000)))).size == (1000, 1000)


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest, match=r"^init_image: must have at least 8 pixels a side"):
        decoded(saved(Image.new("RGB", size)))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (saved(quarters(), "TIFF"), "TIFF"),
        (saved(quarters(), "BMP"), "BMP"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"8BPS\0\1" + bytes(50), "PSD"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x20ftypisom", "MP4"),
        (b"<html>", "web page"),
        (b"", "no kind that this worker knows"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "no kind that this worker knows"),
    ],
)
def test_other_files(data: bytes, kind: str) -> None:
    with pytest.raises(UndecodableMedia, match=rf"^init_image: must be a PNG, .* of .*{kind}"):
        decoded(data)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("GIF", {})],
)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_cut_short(kind: str, options: dict[str, Any], kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = saved(Image.fromarray(noise), kind, **options)

    with pytest.raises(UndecodableMedia, match=r"^init_image: the image is cut short or damaged"):
        decoded(data[: int(len(data) * kept)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_damaged_files_give_an_image_or_our_error(kind: str) -> None:
    data = saved(quarters(), kind, exif=Image.Exif())

    @settings(max_examples=150, derandomize=True)
    @given(st.lists(st.tuples(st.integers(8, len(data) - 1), st.integers(0, 255)), max_size=8))
    def damage(changes: list[tuple[int, int]]) -> None:
        damaged = bytearray(data)
        for position, value in changes:
            damaged[position] = value
        with suppress(RequestError):
            assert decoded(bytes(damaged)).mode == "RGB"

    damage()


@pytest.mark.parametrize("size", [(48, 32), (96, 64), (32, 32), (20, 60), (100, 10)])
def test_fit_covers_and_cuts_around_the_centre(size: tuple[int, int]) -> None:
    image = fit(quarters(), *size)

    assert image.size == size
    assert corners(image) == [RED, GREEN, BLUE, WHITE]


def test_fit_does_not_distort() -> None:
    image = Image.new("RGB", (200, 100))
    image.paste(WHITE, (90, 40, 110, 60))  # a square

    light = np.asarray(fit(image, 100, 100))[..., 0] > 127

    assert light.any(axis=0).sum() == light.any(axis=1).sum() == 20

"""Images: file to pixels.

Knows no URL, and no format but the four that it names.
"""

import struct
import warnings
import zlib
from io import BytesIO
from threading import Lock

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..errors import UndecodableMedia
from .limits import check_sides
from .sniff import described, sniff

#: Called by name, not through Image.open: that one tries every format that it knows, and has
#: a limit on pixels of its own.
_READERS: dict[str, type[ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
}

#: What Pillow raises for a file that is not what it says.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

#: Which turn each value of EXIF's orientation asks for.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

#: Filters of warnings belong to the whole process, so one thread at a time may bend them.
_quiet = Lock()


def decode_image(data: bytes, *, field: str, max_pixels: int) -> Image.Image:
    """The image as RGB, turned upright; of an animation, the first frame.

    Reads PNG, JPEG, WebP and GIF. What is transparent becomes white, as on the page where
    the caller saw it. Raises UndecodableMedia, MediaTooLarge, or InvalidRequest for fewer
    than 8 pixels a side; a size is judged before any pixel is decoded.
    """
    reader = _READERS.get(sniff(data) or "")
    if reader is None:
        raise UndecodableMedia(
            f"{field}: must be a PNG, JPEG, WebP or GIF image, got a file {described(data)}"
        )
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = reader(BytesIO(data))
            check_sides(*image.size, field=field, max_pixels=max_pixels)
            image.load()
            return _upright(_opaque(image), _orientation(image))
        except _BROKEN as error:
            raise UndecodableMedia(f"{field}: the image is cut short or damaged") from error


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """The image scaled to cover the size, and cut to it around the centre; never distorted."""
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion from 16 bits to 8 clips where it should scale.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    page.alpha_composite(layer)
    return page.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """EXIF's word for how the camera was held; 1, upright, where EXIF makes no sense."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN:
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)

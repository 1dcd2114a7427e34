"""What a file is by its first bytes; its name and its media type are not asked."""

#: (offset, magic, kind). The kinds that no room decodes are here to be named in messages.
_MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"\x1a\x45\xdf\xa3", "WebM"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftyp", "MP4"),
    # QuickTime's older files begin with any of its atoms.
    (4, b"moov", "MP4"),
    (4, b"mdat", "MP4"),
    (4, b"wide", "MP4"),
    (4, b"free", "MP4"),
    (8, b"AVI ", "AVI"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"8BPS", "PSD"),
    (0, b"BM", "BMP"),
    (0, b"%PDF", "PDF"),
    (0, b"#EXTM3U", "playlist"),
    (0, b"ffconcat", "playlist"),
)

#: (beginning of the text in lower case, kind), for kinds that may begin with white space.
_MARKUP = (
    (b"<!doctype html", "web page"),
    (b"<html", "web page"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
)


def sniff(data: bytes) -> str | None:
    """The kind of file, or None for one that we have no name for."""
    for offset, magic, kind in _MAGIC:
        if data.startswith(magic, offset):
            return kind
    text = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((kind for beginning, kind in _MARKUP if text.startswith(beginning)), None)


def described(data: bytes) -> str:
    """The kind as it may end the sentence "the file is ..."."""
    kind = sniff(data)
    return f"of the kind {kind}" if kind else "of no kind that this worker knows"

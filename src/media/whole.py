"""A file that is written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import EncodingError


@contextmanager
def whole(path: Path, *, failure: str) -> Iterator[None]:
    """Leave no file when the block fails, in whichever way; a disk's errors become EncodingError,
    which begins with `failure`.
    """
    try:
        yield
    except OSError as error:
        path.unlink(missing_ok=True)
        raise EncodingError(f"{failure}: {error}") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise

"""The answer itself: the video as a base64 data URI, within what the platform carries."""

import base64
from pathlib import Path

from ..errors import StorageError


class InlineStorage:
    """Puts the bytes into the URL."""

    def __init__(self, *, limit_bytes: int) -> None:
        """`limit_bytes` counts base64: RunPod refuses a /run result above 10 MB, and the caller
        would see COMPLETED with nothing in it.
        """
        self._limit = limit_bytes

    def save(self, path: Path, *, key: str, content_type: str) -> str:  # noqa: ARG002  nothing is kept
        """Give `data:<type>;base64,<bytes>`; raises StorageError above the limit."""
        size = path.stat().st_size
        encoded = -(-size // 3) * 4
        if encoded > self._limit:
            raise StorageError(f"{encoded} bytes of base64, above the limit of {self._limit}")
        return f"data:{content_type};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"

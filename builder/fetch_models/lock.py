"""What a bake puts, held against what the committed lock has of it."""

from __future__ import annotations

from src.pipelines.weights.lock import Source, StoredFile

from .failures import BakeFailed


def compare(name: str, wanted: StoredFile, got: StoredFile) -> None:
    """Hold a file against what the lock has of it; raises BakeFailed, which says both."""
    again = "; --update takes what is there now"
    check_source(name, wanted, got.source)
    if wanted.dtype != got.dtype:
        raise BakeFailed(
            f"{name}: the lock has it in {wanted.dtype or 'its published dtype'}, "
            f"got {got.dtype or 'its published dtype'}{again}"
        )
    if wanted.sha256 != got.sha256:
        raise BakeFailed(
            f"{name}: sha256 as stored must be {wanted.sha256} by the lock, got {got.sha256}{again}"
        )


def check_source(name: str, wanted: StoredFile, got: Source | None) -> None:
    """Hold a published file against the lock; raises BakeFailed."""
    if wanted.source is None or got is None:
        return
    for key in ("file", "sha256", "size"):
        of_lock, of_hub = getattr(wanted.source, key), getattr(got, key)
        if of_lock != of_hub:
            raise BakeFailed(
                f"{name}: {key} of the published file must be {of_lock} by the lock, "
                f"got {of_hub}; --update takes what is there now"
            )

"""How large images are said to be, held against what was published of the same weights."""

from __future__ import annotations

import pytest

from builder.image_sizes import targets, weights_bytes
from src.errors import UnknownModel

pytestmark = pytest.mark.real


def test_every_target_has_its_models() -> None:
    found = targets()

    assert found["demo"] == []
    assert found["wan"] == ["wan2.1", "wan2.2"]
    assert set(found) == {"demo", "modelslab", "wan", "ltx"}


@pytest.mark.parametrize(
    ("model", "gigabytes"),
    [
        # 28.9 GB are published in float32: half of it, but for a VAE that stays, and the tools.
        ("wan2.1", 28.9 / 2 + 0.127 * 2 + 1.0),
        # Text encoder 9.5, transformer 3.4, VAE 0.4 in float16, as its repository lists them.
        ("cogvideox", 13.3 + 1.0),
    ],
)
def test_weights_are_as_large_as_their_published_files(model: str, gigabytes: float) -> None:
    assert weights_bytes([model]) / 1e9 == pytest.approx(gigabytes, rel=0.02)


def test_what_two_models_share_counts_once() -> None:
    one, two = (
        weights_bytes(["dark-sushi-mix"]),
        weights_bytes(["dark-sushi-mix", "hellonijicute25d"]),
    )

    assert two - one == pytest.approx(2.13e9, rel=0.02)  # an SD 1.5 checkpoint, and nothing else


def test_no_models_have_no_weights_and_an_unknown_one_is_named() -> None:
    assert weights_bytes([]) == 0
    with pytest.raises(UnknownModel, match="absent"):
        weights_bytes(["absent"])

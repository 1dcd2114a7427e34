import base64

import pytest

from src.errors import InvalidRequest, MediaTooLarge
from src.media.inline import decode_inline

DATA = bytes(range(256))  # every letter of base64 occurs in it
STANDARD = base64.b64encode(DATA).decode()
URL_SAFE = base64.urlsafe_b64encode(DATA).decode()


@pytest.mark.parametrize(
    "value",
    [
        STANDARD,
        STANDARD.rstrip("="),
        URL_SAFE,
        URL_SAFE.rstrip("="),
        "\n".join(STANDARD[i : i + 76] for i in range(0, len(STANDARD), 76)),
        f"data:image/png;base64,{STANDARD}",
        f"data:;base64,{URL_SAFE.rstrip('=')}",
        f"DATA:image/png;charset=x;BASE64, {STANDARD}",
        "data:image/png;base64," + STANDARD.replace("+", "%2B").replace("=", "%3D"),
        "data:image/png," + "".join(f"%{byte:02x}" for byte in DATA),
    ],
)
def test_every_way_to_write_it(value: str) -> None:
    assert decode_inline(value, field="init_image", max_bytes=256) == DATA


def test_percent_encoded_text() -> None:
    assert decode_inline("data:,a%20b,c", field="f", max_bytes=10) == b"a b,c"


@pytest.mark.parametrize(
    "value",
    ["", "=", "abcde", "hello, world!", "example.com/a?token=secret", "data:image/png;base64"],
)
def test_neither_of_them(value: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^init_image: ") as caught:
        decode_inline(value, field="init_image", max_bytes=100)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [STANDARD, "data:," + "a" * 256])
def test_too_many_bytes(value: str) -> None:
    with pytest.raises(MediaTooLarge, match=r"init_image: has 256 bytes, above .* of 255 bytes"):
        decode_inline(value, field="init_image", max_bytes=255)

import inspect

import pytest

from src import errors
from src.errors import RequestError, ServiceError, WorkerError, field_error, shown

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, WorkerError)
]


@pytest.mark.parametrize("cls", CLASSES)
def test_each_error_stands_in_the_drawing_and_has_a_code_and_a_sentence(
    cls: type[WorkerError],
) -> None:
    assert cls.__name__ in str(errors.__doc__)
    assert "code" in vars(cls)
    assert str(cls()) == cls.__doc__
    assert str(cls("another")) == "another"


def test_codes_are_different() -> None:
    assert len({cls.code for cls in CLASSES}) == len(CLASSES)


def test_each_error_is_on_one_side() -> None:
    for cls in CLASSES:
        sides = [side for side in (RequestError, ServiceError) if issubclass(cls, side)]
        assert len(sides) == 1 or cls is WorkerError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (500, "500"),
        ("wide", "'wide'"),
        ("x" * 100_000, f"'{'x' * 59}... (100000 characters)"),
        ("a\nb", "'a\\nb'"),
        ([1] * 100, f"{str([1] * 100)[:60]}... (300 characters)"),
    ],
)
def test_a_value_is_shown_short_and_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_field_error_names_field_rule_and_value() -> None:
    error = field_error("width", 500, "must be a multiple of 32")

    assert str(error) == "width must be a multiple of 32, got 500"

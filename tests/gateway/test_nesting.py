"""Bracketed names of forms."""

from __future__ import annotations

from typing import Any

import pytest

from src.gateway.apis.nesting import nested
from src.gateway.refusals import BadRequest


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], {}),
        ([("a", "1")], {"a": "1"}),
        ([("a", "1"), ("a", "2"), ("a", "3")], {"a": ["1", "2", "3"]}),
        ([("a[]", "1")], {"a": ["1"]}),
        ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
        ([("a[0]", "1"), ("a[1]", "2")], {"a": ["1", "2"]}),
        ([("a[b]", "1"), ("a[c]", "2")], {"a": {"b": "1", "c": "2"}}),
        ([("a[b][c]", "1"), ("a[b][d]", "2")], {"a": {"b": {"c": "1", "d": "2"}}}),
        ([("a[b][]", "1"), ("a[b][]", "2")], {"a": {"b": ["1", "2"]}}),
        ([("a[0][b]", "1"), ("a[0][c]", "2"), ("a[1][b]", "3")],
         {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ([("a[][b]", "1"), ("a[][c]", "2"), ("a[][b]", "3"), ("a[][c]", "4")],
         {"a": [{"b": "1", "c": "2"}, {"b": "3", "c": "4"}]}),
        ([("a[][b]", "1"), ("a[][b]", "3"), ("a[][c]", "2"), ("a[][c]", "4")],
         {"a": [{"b": "1", "c": "2"}, {"b": "3", "c": "4"}]}),
        # No brackets that mean anything: names as any other.
        ([("a[", "1"), ("]b", "2"), ("[c]", "3"), ("a[b]c", "4"), ("", "5")],
         {"a[": "1", "]b": "2", "[c]": "3", "a[b]c": "4", "": "5"}),
        ([("a" + 17 * "[b]", "1")], {"a" + 17 * "[b]": "1"}),
    ],
)  # fmt: skip
def test_names_say_objects_and_arrays(items: Any, expected: Any) -> None:
    assert nested(items) == expected


@pytest.mark.parametrize(
    ("items", "rule"),
    [
        ([("a", "1"), ("a[b]", "2")], "a is given in more than one shape"),
        ([("a[b]", "1"), ("a", "2")], "a is given in more than one shape"),
        ([("a[b]", "1"), ("a[]", "2")], "a is given in more than one shape"),
        ([("a[]", "1"), ("a[b]", "2")], "a is given in more than one shape"),
        ([("a[1]", "1")], "a is given in more than one shape"),
        ([("a[9999]", "1")], "a is given in more than one shape"),
        ([("a[][b]", "1"), ("a[][b]", "2"), ("a[][c]", "3")], "a has objects of different fields"),
    ],
)
def test_what_cannot_be_told_is_refused(items: Any, rule: str) -> None:
    with pytest.raises(BadRequest, match=rule) as caught:
        nested(items)
    assert caught.value.param == "a"

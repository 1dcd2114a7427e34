"""Asking for a new worker."""

from src.door import Refresh


def test_it_is_asked_for_once() -> None:
    refresh, said = Refresh(), list[str]()
    refresh.then(lambda: said.append("asked"))
    refresh.ask()
    refresh.ask()
    assert said == ["asked"]


def test_what_was_asked_for_before_the_door_was_open_is_not_forgotten() -> None:
    refresh, said = Refresh(), list[str]()
    refresh.ask()
    refresh.then(lambda: said.append("asked"))
    assert said == ["asked"]

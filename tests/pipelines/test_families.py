"""The families, each imported when it is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.pipelines import FAMILIES

SERVED = """
import sys
from src.pipelines import FAMILIES

def imported():
    return sorted(name for name in FAMILIES if f"src.pipelines.families.{name}" in sys.modules)

assert len(FAMILIES) > 5
assert imported() == []
assert FAMILIES["wan"].name == "wan"
assert imported() == ["wan"], imported()
assert "torch" not in sys.modules
"""


def test_one_that_is_not_asked_for_is_not_imported(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVED], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["", "wan2", "..family", "os"])
def test_there_are_none_but_those_of_the_folder(name: str) -> None:
    assert name not in FAMILIES
    assert FAMILIES.get(name) is None
    with pytest.raises(KeyError):
        FAMILIES[name]

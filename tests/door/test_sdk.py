"""The SDK's import."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from src.door.sdk import _processor_by_name, processor

IMPORT = """
import cpuinfo

def asked():
    raise AssertionError("the processor's clock was measured")

cpuinfo.get_cpu_info = asked
from src.door import import_sdk

assert import_sdk() is import_sdk()
assert cpuinfo.get_cpu_info is asked
from runpod.serverless.utils import rp_debugger

print(rp_debugger.PROCESSOR)
"""


def test_it_does_not_measure_the_processor_and_leaves_others_their_way_to(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == processor()


def test_where_nobody_could_be_asked_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cpuinfo", None)
    with _processor_by_name():
        assert sys.modules["cpuinfo"] is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC 7763: 64-Core\nmodel name\t: B\n", None),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", platform.machine()),
        ("", platform.machine()),
    ],
)
def test_the_processors_name_is_linuxs_or_its_architecture(
    tmp_path: Path, text: str, name: str | None
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert processor(file) == (name or "AMD EPYC 7763: 64-Core")


def test_without_linuxs_file_it_is_the_architecture(tmp_path: Path) -> None:
    assert processor(tmp_path / "absent") == platform.machine()

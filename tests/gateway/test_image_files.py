"""The gateway's image: what it needs is in it, and nothing of the worker's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

#: What only a worker has.
NOT_THERE = ("torch", "diffusers", "transformers", "runpod", "psutil", "tqdm", "huggingface_hub")
#: Everything that the gateway imports, at its start or later.
PROBE = """
import json, pkgutil, sys, importlib
import src.gateway.__main__, src.gateway.keys
import src.gateway as package
for module in pkgutil.walk_packages(package.__path__, "src.gateway."):
    if ".migrations" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import alembic.command, aiosqlite, asyncpg, boto3, imageio_ffmpeg
ours = {name for name in sys.modules if name == "src" or name.startswith("src.")}
print(json.dumps([sorted(ours), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.fixture(scope="module")
def imported(root: Path) -> tuple[list[str], list[str]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE],
        cwd=root, check=True, capture_output=True, text=True,
    )  # fmt: skip
    ours, all_names = json.loads(done.stdout.splitlines()[-1])
    return ours, all_names


@pytest.fixture(scope="module")
def copied(root: Path) -> set[str]:
    """The modules and packages that Dockerfile.gateway copies, by their dotted names."""
    text = (root / "Dockerfile.gateway").read_text("utf-8")
    found: set[str] = set()
    for line in re.findall(r"^COPY ((?:src\S* )+)/app", text, re.MULTILINE):
        found |= {item.removesuffix(".py").replace("/", ".") for item in line.split()}
    return found


def test_every_module_that_it_imports_is_copied(
    imported: tuple[list[str], list[str]], copied: set[str]
) -> None:
    missing = [
        name
        for name in imported[0]
        if name != "src" and not any(name == item or name.startswith(f"{item}.") for item in copied)
    ]
    assert not missing


def test_every_copied_folder_is_imported_and_exists(
    imported: tuple[list[str], list[str]], copied: set[str], root: Path
) -> None:
    for item in copied - {"src.__init__"}:
        assert any(name == item or name.startswith(f"{item}.") for name in imported[0]), item
        path = root / item.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("name", NOT_THERE)
def test_nothing_of_the_worker_is_imported(
    name: str, imported: tuple[list[str], list[str]]
) -> None:
    assert name not in imported[1]


def test_what_it_shares_with_the_worker_is_pinned_alike(root: Path) -> None:
    def pins(file: str) -> dict[str, str]:
        text = (root / "builder" / file).read_text("utf-8")
        return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", text, re.MULTILINE))

    own, worker = pins("requirements-gateway.txt"), pins("requirements.txt")
    assert {name: own[name] for name in own.keys() & worker.keys()} == {
        name: worker[name] for name in own.keys() & worker.keys()
    }

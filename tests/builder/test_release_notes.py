"""What stands in a release, and which tags are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from builder.release_notes import notes

PROJECT = '[project]\nname = "worker-video"\nversion = "1.2.0"\n'
CHANGELOG = """\
# Changelog

## [Unreleased]

### Added
- Not yet.

## [1.2.0] - 2026-11-21

### Added
- Something [new](docs/new.md).

### Fixed
- Something old.

## [1.1.0] - 2026-10-01
- Long ago.

[1.2.0]: https://example.com/compare
"""
SECTION = "### Added\n- Something [new](docs/new.md).\n\n### Fixed\n- Something old.\n"


def test_a_tag_s_notes_are_its_section_and_no_other() -> None:
    assert notes("v1.2.0", project=PROJECT, changelog=CHANGELOG) == SECTION


def test_the_last_section_ends_before_the_links() -> None:
    project = PROJECT.replace("1.2.0", "1.1.0")

    assert notes("v1.1.0", project=project, changelog=CHANGELOG) == "- Long ago.\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "words"),
    [
        ("1.2.0", CHANGELOG, "tag must be vX.Y.Z, got 1.2.0"),
        ("v1.2", CHANGELOG, "tag must be vX.Y.Z, got v1.2"),
        ("v1.2.0-rc1", CHANGELOG, "tag must be vX.Y.Z"),
        ("v1.3.0", CHANGELOG, "tag v1.3.0: pyproject.toml says version 1.2.0"),
        ("v1.2.0", CHANGELOG.replace("[1.2.0]", "[1.2.1]"), "has no section"),
        ("v1.2.0", CHANGELOG.replace("[1.2.0] -", "[1X2.0] -"), "has no section"),
        ("v1.2.0", "## [1.2.0]\n\n## [1.1.0]\n- Long ago.\n", "is empty"),
        ("v1.2.0", "", "has no section"),
    ],
)
def test_a_tag_that_is_no_release_is_refused(tag: str, changelog: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        notes(tag, project=PROJECT, changelog=changelog)


def test_the_command_needs_python_alone_and_says_what_is_wrong(root: Path) -> None:
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); "]
    command[-1] += "from builder.release_notes import main; sys.exit(main(['v999.0.0']))"
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: tag v999.0.0: pyproject.toml says version ")

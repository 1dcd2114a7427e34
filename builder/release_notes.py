"""What a release says of itself: the CHANGELOG's section of its version.

`python -m builder.release_notes v0.1.0` prints it. It needs Python alone, and refuses a tag that is
not the version of pyproject.toml, or that the CHANGELOG says nothing of.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: As Semantic Versioning has them, without what may follow the three numbers.
TAG = re.compile(r"v(\d+\.\d+\.\d+)")


def notes(tag: str, *, project: str, changelog: str) -> str:
    """The section of a tag's version, without its heading; raises ValueError.

    `project` is the text of pyproject.toml.
    """
    match = TAG.fullmatch(tag)
    if not match:
        raise ValueError(f"tag must be vX.Y.Z, got {tag}")
    version = match[1]
    stated = tomllib.loads(project)["project"]["version"]
    if version != stated:
        raise ValueError(f"tag {tag}: pyproject.toml says version {stated}")
    heading = rf"^## \[{re.escape(version)}\](?: - \d{{4}}-\d{{2}}-\d{{2}})?$"
    parts = re.split(heading, changelog, maxsplit=1, flags=re.MULTILINE)
    if len(parts) == 1:
        raise ValueError(f"tag {tag}: CHANGELOG.md has no section `## [{version}]`")
    section = re.split(r"^(?:## |\[[^]]+\]: )", parts[1], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not section:
        raise ValueError(f"tag {tag}: CHANGELOG.md's section `## [{version}]` is empty")
    return f"{section}\n"


def main(words: list[str]) -> int:
    """Print the notes of the named tag; 1 and the reason where there are none."""
    try:
        (tag,) = words or ("none",)
        found = notes(
            tag,
            project=(ROOT / "pyproject.toml").read_text("utf-8"),
            changelog=(ROOT / "CHANGELOG.md").read_text("utf-8"),
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(found, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs a command against a gateway with a real worker, all on this machine: `make browser-test`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from serve.house import House, Plan

ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    """Start everything, run the command with --url, and end with its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.against_serve")
    parser.add_argument("--models", type=Path, required=True, help="weights")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            root=ROOT,
            folder=Path(folder),
            models=arguments.models.resolve(),
            port=0,
            platform_port=0,
        )
        with House(plan, say=print, over=threading.Event()) as house:
            done = subprocess.run([*arguments.command, "--url", house.url], cwd=ROOT, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()

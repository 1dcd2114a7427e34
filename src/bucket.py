"""The operator's command for the bucket: `python -m src.bucket check|install-temp-rule`.

Reads the same settings as the worker, and tells a person at a terminal how it went.
"""

from __future__ import annotations

import argparse
import sys

from .bootstrap import build_bucket
from .config import Settings
from .errors import WorkerError
from .storage.s3 import S3Storage


def main(arguments: list[str] | None = None) -> int:
    """Do what was asked; gives the exit code: 0 if all is well, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m src.bucket", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="put a small file, read it back, follow its link, delete it")
    commands.add_parser(
        "install-temp-rule",
        help="have temporary results and unfinished uploads deleted after a day",
    )
    command = parser.parse_args(arguments).command
    try:
        said = _check() if command == "check" else _install_temp_rule()
    except (WorkerError, ValueError) as error:
        _say(f"It did not work: {error}")
        return 1
    _say(said)
    return 0


def _check() -> str:
    bucket = _bucket()
    bucket.check()
    return f"All is well: {bucket.about}. A file was put, read back, linked to and deleted."


def _install_temp_rule() -> str:
    return f"Done: {_bucket().install_rules()}."


def _bucket() -> S3Storage:
    bucket = build_bucket(Settings())
    if bucket is None:
        raise ValueError(
            "no bucket is set: BUCKET_ENDPOINT_URL or BUCKET_NAME is needed, and "
            "BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY"
        )
    return bucket


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())

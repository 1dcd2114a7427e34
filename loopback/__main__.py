"""`python -m loopback`: a platform to start workers against, until Ctrl-C."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading

from .platform import ENDPOINT, POD, Platform
from .rules import Rules


def main() -> None:
    """Serve, and say what a worker's environment must be."""
    arguments = _arguments()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    rules = Rules(poll=arguments.poll, lost_after=arguments.lost_after)
    try:
        with Platform(rules, port=arguments.port, endpoint=arguments.endpoint) as platform:
            _say(f"# callers: {platform.base_url}/{arguments.endpoint}, with any key")
            _say("# a worker's environment:")
            for name, value in platform.settings(arguments.pod).items():
                _say(f"export {name}={shlex.quote(value)}")
            over.wait()
    except OSError as error:
        sys.exit(f"cannot serve on port {arguments.port}: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 for a free one")
    parser.add_argument("--endpoint", default=ENDPOINT, help="its id, as it stands in URLs")
    parser.add_argument("--pod", default=POD, help="the worker's id")
    parser.add_argument("--poll", type=float, default=5.0, help="seconds that a poll stays open")
    parser.add_argument(
        "--lost-after",
        type=float,
        default=10.0,
        help="seconds without a heartbeat after which a worker's jobs are handed out again",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

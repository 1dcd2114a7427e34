"""Moto's server; runs in the environment that has it. Prints its port, ends when its stdin does."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Serve until stdin ends."""
    from moto.server import ThreadedMotoServer  # type: ignore[import-not-found]

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(json.dumps({"port": port}), flush=True)  # noqa: T201  the tests read it
    sys.stdin.buffer.read()
    server.stop()


if __name__ == "__main__":
    main()

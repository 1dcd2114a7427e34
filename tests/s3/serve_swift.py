"""Swift's four servers, forked from one process; runs in the environment that has Swift.

Its argument is the folder that swift.py has written the settings into. It prints its ports as JSON
and ends, with the servers, when its stdin does. Sockets are bound before the rings name their
ports, so that no other process can take one in between.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def main(folder: Path) -> None:
    """Serve until stdin ends."""
    from swift.common.utils import monkey_patch  # type: ignore[import-not-found]

    monkey_patch()
    _import_servers()
    sockets = {name: _listening() for name in ("account", "container", "object", "proxy")}
    ports = {name: listener.getsockname()[1] for name, listener in sockets.items()}
    _write_rings(folder, ports)
    for name in sockets:
        if os.fork() == 0:
            _serve(folder, name, sockets)
    for listener in sockets.values():
        listener.close()
    print(json.dumps(ports), flush=True)  # noqa: T201  the tests read it
    sys.stdin.buffer.read()


def _import_servers() -> None:
    """Import once what the four share; forks then start at once and share the memory."""
    import swift.account.server  # type: ignore[import-not-found]
    import swift.common.middleware.s3api.s3api  # type: ignore[import-not-found]
    import swift.container.server  # type: ignore[import-not-found]
    import swift.obj.server  # type: ignore[import-not-found]
    import swift.proxy.server  # type: ignore[import-not-found]  # noqa: F401


def _listening() -> Any:
    import socket  # Swift's servers need eventlet's, which has taken its place by now

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def _write_rings(folder: Path, ports: dict[str, int]) -> None:
    from swift.common.ring import RingBuilder  # type: ignore[import-not-found]

    for name in ("account", "container", "object"):
        builder = RingBuilder(1, 1, 0)  # two partitions, one copy of each
        disk = {"region": 1, "zone": 1, "ip": "127.0.0.1", "device": "disk", "weight": 1}
        builder.add_dev({**disk, "port": ports[name]})
        builder.rebalance(seed="1")
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def _serve(folder: Path, name: str, sockets: dict[str, Any]) -> None:
    from swift.common import utils, wsgi

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for other in sockets.keys() - {name}:
        sockets[other].close()
    try:
        utils.set_swift_dir(str(folder))
        utils.disable_fallocate()  # no reserve: a disk that is nearly full is no fault of ours
        settings = wsgi.appconfig(str(folder / f"{name}.conf"), name=f"{name}-server")
        # Once one logger writes to stderr, all of Swift's do.
        logger = utils.get_logger(settings, name, log_to_console=True)
        wsgi.run_server(settings, logger, sockets[name])
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

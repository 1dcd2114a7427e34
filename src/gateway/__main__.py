"""`python -m src.gateway`: serve the three APIs over an endpoint, until a signal says stop."""

from __future__ import annotations

import argparse
import signal
import sys

import uvicorn

from .. import logs
from .app import build_app
from .settings import GatewaySettings


def main() -> None:
    """Serve."""
    try:
        settings = _settings()
        logs.set_up(settings.log_level, settings.log_format, on_platform=False)
        app = build_app(settings)
    except ValueError as error:  # pydantic's, too
        sys.exit(f"cannot start: {error}")
    # uvicorn ends in order, and then raises the signal once more, as if it had ended nothing.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


def _settings() -> GatewaySettings:
    """The environment's, with the command line's over them."""
    parser = argparse.ArgumentParser(prog="python -m src.gateway", description=__doc__)
    parser.add_argument("--endpoint", help="its URL: https://api.runpod.ai/v2/<endpoint>")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    said = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    return GatewaySettings(**said)


if __name__ == "__main__":
    main()

"""Ports that are asked for, or free ones."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


class PortTaken(Exception):
    """Somebody else listens there."""


def free_port(port: int, *, option: str) -> int:
    """The port itself, or any for 0. Raises PortTaken, which names the option for another."""
    with socket.socket() as tried:
        # A port whose last connections are still ending may be listened on, as servers do.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
            tried.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "ports go from 0 to 65535"
            raise PortTaken(
                f"cannot listen on {HOST}:{port}: {reason}; {option} takes another, or 0 for any"
            ) from None
        found: int = tried.getsockname()[1]
        return found

"""Name resolution that refuses a name if any of its addresses is refused.

The connection goes to the very addresses that were judged here, so that a name cannot
answer one thing to the check and another to the connection.
"""

from collections.abc import Callable
from socket import AddressFamily

from aiohttp.abc import AbstractResolver, ResolveResult


class AddressRefused(Exception):
    """A name leads to an address that the rule refuses."""


class VettedResolver(AbstractResolver):
    """Another resolver's answers, if the rule allows every one of them."""

    def __init__(self, inner: AbstractResolver, *, allows: Callable[[str], bool]) -> None:
        """`allows` judges an address in its canonical form."""
        self._inner = inner
        self._allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of the host.

        Raises AddressRefused if one of them is refused, and OSError if there is none.
        """
        try:
            answers = await self._inner.resolve(host, port, family)
        except UnicodeError as error:
            raise OSError(f"{host} cannot be a host name") from error
        if not answers:
            raise OSError(f"{host} has no address")
        if not all(self._allows(answer["host"]) for answer in answers):
            raise AddressRefused(host)
        return answers

    async def close(self) -> None:
        """Leave the inner resolver to whoever made it: it serves the next fetch too."""

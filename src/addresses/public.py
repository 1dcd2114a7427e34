"""Which network addresses are public, for URLs that callers name.

Knows no URL, no name and no socket.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: All of IPv6's global unicast; what lies outside is local, or a way back to an IPv4 address.
_GLOBAL_UNICAST = ip_network("2000::/3")

#: What the standard library calls global, or did in some version, and yet leads elsewhere.
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carriers' own networks
        "192.0.0.0/24",  # protocol assignments; one cloud's metadata service lives here
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/3",  # multicast and reserved
        "2001::/23",  # protocol assignments; Teredo carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 carries an IPv4 address
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Whether this address, in its canonical form, belongs to the public internet."""
    try:
        parsed = _unwrapped(ip_address(address))
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed not in _GLOBAL_UNICAST:
        return False
    return parsed.is_global and not any(parsed in network for network in _NOT_PUBLIC)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that ::ffff:a.b.c.d stands for; any other address as it is."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def is_literal(host: str) -> bool:
    """Whether a host is an address, in any notation, which no resolver would be asked for."""
    if host.replace(".", "").isdigit():
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

"""Which addresses of the internet a server may be sent to by a stranger: global unicast ones, and no others."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

#: Within the global ranges, yet leading elsewhere: tunnels that embed any IPv4 address, and their relays.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "2002::/16",  # 6to4
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "2620:4f:8000::/48",  # AS112
        "192.0.0.0/24",  # IETF protocol assignments; older Pythons call most of it global
        "192.88.99.0/24",  # 6to4 relays
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.175.48.0/24",  # AS112
    )
)


def is_public(address: str) -> bool:
    """Whether an IPv4 or IPv6 address is a public host's: not private, loopback, link-local, multicast or reserved.

    IPv4 addresses that are written as IPv6 ones (mapped or NAT64) are judged as IPv4; 6to4 and Teredo are refused. What is not
    an address is not public.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        elif ip not in _GLOBAL_UNICAST:
            return False
    if any(ip.version == network.version and ip in network for network in _REFUSED):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)

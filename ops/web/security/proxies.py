"""Reverse proxies: whose word about the client counts, and requests that came through one.

A client can send forwarding headers itself, so they count only from the addresses in
``server.trusted_proxies``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Bits of an IPv6 address that a provider gives to one customer.
IPV6_BITS: Final = 64
_FORWARDING: Final = frozenset({"forwarded", "x-real-ip"})


def is_forwarded(headers: Headers) -> bool:
    """Whether a proxy says that it has forwarded this request."""
    return any(name in _FORWARDING or name.startswith("x-forwarded-") for name in headers)


def client_of(address: str) -> str:
    """What limits per client count by: the address, or an IPv6 address's network."""
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), IPV6_BITS), strict=False))
    return str(found or address)


class TrustedProxies:
    """The proxies whose forwarding headers count."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: str) -> bool:
        found = _parsed(address)
        return found is not None and any(found in network for network in self._networks)

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The right-most address that no trusted proxy has.

        Each proxy appends the address that it was called from, and what stands before the
        right-most foreign address may be the client's own invention.
        """
        client = peer
        for text in reversed([part for line in forwarded_for for part in line.split(",")]):
            found = _parsed(_without_port(text.strip()))
            if client not in self or found is None:
                break
            client = str(found)
        return client


class ProxyHeaders:
    """Sets the client's address and the scheme from the headers of trusted proxies."""

    def __init__(self, app: ASGIApp, trusted: TrustedProxies) -> None:
        self.app = app
        self.trusted = trusted
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["client"]:
            return await self.app(scope, receive, send)
        peer, headers = scope["client"][0], Headers(scope=scope)
        if peer in self.trusted:
            client = self.trusted.client(peer, headers.getlist("x-forwarded-for"))
            # the last word is that of the nearest proxy
            schemes = ",".join(headers.getlist("x-forwarded-proto"))
            scheme = schemes.rpartition(",")[2].strip().lower()
            scope = {**scope, "client": (client, 0)}
            if scheme in ("http", "https"):
                scope["scheme"] = scheme
        elif not self._warned and is_forwarded(headers):
            self._warned = True
            log.warning(
                "ignoring forwarding headers from %s; if that is your proxy, add it to "
                "`trusted_proxies` in the section [server] of thermalwatch.toml",
                peer,
            )
        return await self.app(scope, receive, send)


def _parsed(address: str) -> Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _without_port(text: str) -> str:
    """The address in ``1.2.3.4:5``, ``[::1]:5`` or ``[::1]``."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text

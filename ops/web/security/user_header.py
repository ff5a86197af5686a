"""Takes the user's name from a header of a trusted proxy, which has authenticated them.

This must see a request before anything replaces the peer's address by the client's: any client can
send the header, so it counts only from the addresses in ``server.trusted_proxies``.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ops.web.security.proxies import TrustedProxies

#: Key of the name in the request's scope; missing unless a trusted proxy has sent it.
SCOPE_KEY: Final = "thermalwatch.user"


class UserHeader:
    """Notes the name that a trusted proxy sends in the header `name`; '' means no header."""

    def __init__(self, app: ASGIApp, name: str, trusted: TrustedProxies) -> None:
        self.app = app
        self.name = name
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope["client"][0] if scope["type"] == "http" and scope["client"] else None
        if self.name and peer is not None and peer in self.trusted:
            sent = Headers(scope=scope).getlist(self.name)
            if len(sent) == 1 and sent[0]:  # of two, one may be the client's
                scope = {**scope, SCOPE_KEY: sent[0].encode("latin-1").decode("utf-8", "replace")}
        return await self.app(scope, receive, send)

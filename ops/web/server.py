"""Runs the server: listening socket, and the rule that other machines need accounts."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final, cast

import uvicorn

from ops.config.wiring import open_database, open_redis
from ops.errors import ServerError, SettingsError
from ops.web.app import create_app
from ops.web.connections import Connection, Connections, Listener, RareLines, most_connections
from ops.web.security.proxies import TrustedProxies
from ops.web.services import Services, make_services

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.config.settings import Settings

log = logging.getLogger(__name__)

#: Seconds after which a Redis command fails.
ANSWER_S: Final = 3.0
#: Seconds for requests in progress when the server stops.
STOP_S: Final = 3
#: Niceness of the server, so that viewing does not slow down scoring.
NICENESS: Final = 10
#: Most connections waiting to be accepted.
BACKLOG: Final = 256
#: Most connections accepted in one step of the event loop. They are counted a few steps later, so a
#: few times as many need file descriptors beyond the limit of connections.
ACCEPTED: Final = 16
#: Of uvicorn's ticks, of a tenth of a second, from one check of the connections to the next.
TICKS: Final = 10


def run_server(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: other machines could reach it, and there are no accounts.
        ServerError: it cannot listen on the address.
        StorageError: the database cannot be used.
    """
    host = settings.server.host
    loopback = is_loopback(host)
    trusted = TrustedProxies(settings.server.trusted_proxies)
    connections = Connections(most_connections(), trusted)
    logging.getLogger("uvicorn.error").addFilter(RareLines())
    logging.getLogger("ops.web.connections").addFilter(RareLines())
    with open_database(settings) as engine, open_redis(settings, answer_s=ANSWER_S) as redis:
        if not loopback:
            require_accounts(engine, host)
        with listen(host, settings.server.port) as listener:
            services = make_services(settings, engine, redis, loopback=loopback)
            services.access.login_required()  # keeps requiring it if there are accounts now
            os.nice(NICENESS)
            log.info("dashboard at %s", address(listener))
            make_server(services, connections).run(sockets=[listener])


def make_server(services: Services, connections: Connections) -> Server:
    """The server of an application with these services; it does not listen yet."""
    config = uvicorn.Config(
        create_app(services),
        http=cast("type[Connection]", partial(Connection, everybody=connections)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `ProxyHeaders` reads them, of trusted proxies only
        backlog=ACCEPTED,
        timeout_graceful_shutdown=STOP_S,
    )
    return Server(config, services, connections)


class Server(uvicorn.Server):
    """Closes live connections first, because uvicorn waits until all connections end."""

    def __init__(
        self, config: uvicorn.Config, services: Services, connections: Connections
    ) -> None:
        super().__init__(config)
        self._services = services
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(BACKLOG)  # asyncio takes one number for this and for `ACCEPTED`

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS == 0:
            self._connections.check()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._services.live.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again after a clean shutdown and so kill the process
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_accounts(engine: Engine, host: str) -> None:
    """Check that there are accounts.

    Raises:
        SettingsError: there are none, so everybody who reaches `host` would have access.
    """
    from storage.accounts import any_accounts

    if not any_accounts(engine):
        raise SettingsError(
            f"{host} can be reached from other machines, and there are no accounts: add one with "
            "`thermalwatch account add NAME --role admin`, or serve on 127.0.0.1"
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ServerError: the address is unknown, in use or not allowed.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = Listener(family)
    except OSError as error:
        raise ServerError(f"{host}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServerError(
            f"cannot listen on {host} port {port}: {error.strerror}; give another --port, or "
            "`port` in the section [server] of thermalwatch.toml"
        ) from None
    return listener


def address(listener: socket.socket) -> str:
    """URL of the server."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

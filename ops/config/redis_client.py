"""A Redis client for a URL: one server, or the present master that Sentinels know.

::

    redis://[user:password@]host[:port][/db][?option=value&…]       rediss:// with TLS
    unix://[user:password@]/path/to/socket[?db=0&…]
    redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db][?option=value&…]
                                                                    rediss+sentinel:// with TLS

redis-py knows no URL for Sentinels; this one is the convention of several projects. Account,
database and options are those of the servers; `sentinel_username` and `sentinel_password` are those
of the Sentinels, which also get the options of TLS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from redis import Redis

SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
SENTINEL_PORT: Final = 26379
#: What begins so is for the Sentinels.
_SENTINEL: Final = "sentinel_"


def check_url(url: str) -> None:
    """Check a URL without connecting.

    Raises:
        ValueError: it is none of those above. The message does not hold the URL.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(f"should begin with {', '.join(f'{s}://' for s in SCHEMES)}")
    if scheme.endswith("+sentinel"):
        _Sentinels(url)
        return
    from redis.connection import parse_url

    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        # redis-py's message holds a part of the URL, perhaps of the password
        raise ValueError(
            "cannot be read; write characters such as # / ? @ of a password as %23 %2F %3F %40"
        ) from None


def make_client(url: str, **options: Any) -> Redis:
    """A client, which connects with the first command. `options` are those of `redis.Redis`.

    Raises:
        ValueError: the URL cannot be read.
    """
    from redis import Redis
    from redis.sentinel import Sentinel

    if not url.partition("://")[0].endswith("+sentinel"):
        return Redis.from_url(url, **options)
    found = _Sentinels(url)
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        found.members, sentinel_kwargs=found.sentinel_options | options, **found.options | options
    )
    client: Redis = sentinel.master_for(found.service)  # type: ignore[no-untyped-call]
    return client


class _Sentinels:
    """The parts of a URL of Sentinels.

    Raises:
        ValueError: there is no member or no service, or a port is no number.
    """

    def __init__(self, url: str) -> None:
        from redis.connection import SSLConnection, parse_url

        scheme, _, rest = url.partition("+sentinel://")
        place, _, query = rest.partition("?")
        account, at, members = place.partition("/")[0].rpartition("@")
        self.service, _, database = place.partition("/")[2].partition("/")
        self.members = [_member(each) for each in members.split(",")]
        if not self.service:
            raise ValueError("should end with /SERVICE, the name that the Sentinels know")
        words = parse_qsl(query)
        ours = [(name, value) for name, value in words if not name.startswith(_SENTINEL)]
        # redis-py reads account, database and options as those of a single server
        single = f"{scheme}://{account}{at}host/{database}?{urlencode(ours)}"
        self.options: dict[str, Any] = dict(parse_url(single))  # type: ignore[no-untyped-call]
        for name in ("host", "port"):
            self.options.pop(name, None)
        if self.options.pop("connection_class", None) is SSLConnection:
            self.options["ssl"] = True
        self.sentinel_options = {k: v for k, v in self.options.items() if k.startswith("ssl")}
        self.sentinel_options |= {
            name.removeprefix(_SENTINEL): value
            for name, value in words
            if name.startswith(_SENTINEL)
        }


def _member(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")  # knows IPv6
    if not parts.hostname:
        raise ValueError("should name at least one Sentinel: redis+sentinel://HOST:26379/SERVICE")
    return parts.hostname, parts.port or SENTINEL_PORT

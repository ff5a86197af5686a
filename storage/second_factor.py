"""One-time codes (TOTP, RFC 6238) as a second factor, and recovery codes in their place.

The key of the codes is stored as it is, because codes are computed from it; recovery codes are long
and random, and stored as digests.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, update

from storage.accounts import digest_of, require
from storage.audit_log import Actor, record
from storage.db.database import reading, writing
from storage.db.schema import accounts, recovery_codes


def switch_on(
    engine: Engine,
    name: str,
    secret: str,
    codes: Sequence[str],
    *,
    step: int,
    now: float,
    by: Actor,
) -> None:
    """Require codes computed from `secret`; replaces an earlier one and its recovery codes.

    `step` is the time step of the code that proved that the user has the secret.

    Raises:
        NoSuchAccount: there is no such account.
    """
    with writing(engine) as connection:
        _set(connection, name, secret, step)
        rows = [{"digest": digest_of(code), "account": name} for code in codes]
        connection.execute(insert(recovery_codes), rows)
        record(connection, by, "second_factor_on", name, now=now)


def switch_off(engine: Engine, name: str, *, now: float, by: Actor) -> None:
    """Require no codes any more. Raises `NoSuchAccount`."""
    with writing(engine) as connection:
        _set(connection, name, None, None)
        record(connection, by, "second_factor_off", name, now=now)


def secret_of(engine: Engine, name: str) -> str | None:
    """The key of the account's codes; None if it has no second factor."""
    with reading(engine) as connection:
        return connection.scalar(select(accounts.c.totp_secret).where(accounts.c.name == name))


def recovery_codes_left(engine: Engine, name: str) -> int:
    """How many recovery codes of the account are unused."""
    count = select(func.count()).where(recovery_codes.c.account == name)
    with reading(engine) as connection:
        return connection.scalar(count) or 0


def use_step(engine: Engine, name: str, step: int) -> bool:
    """Whether a code of this time step may be accepted; no code of it or before ever is again."""
    earlier = or_(accounts.c.totp_step.is_(None), accounts.c.totp_step < step)
    with writing(engine) as connection:
        used = update(accounts).where(accounts.c.name == name, earlier).values(totp_step=step)
        return connection.execute(used).rowcount == 1


def use_recovery_code(engine: Engine, name: str, code: str) -> bool:
    """Whether this is an unused recovery code of the account; from now on it is used."""
    chosen = (recovery_codes.c.digest == digest_of(code), recovery_codes.c.account == name)
    with writing(engine) as connection:
        return connection.execute(delete(recovery_codes).where(*chosen)).rowcount == 1


def _set(connection: Connection, name: str, secret: str | None, step: int | None) -> None:
    chosen = update(accounts).where(accounts.c.name == name)
    require(connection.execute(chosen.values(totp_secret=secret, totp_step=step)).rowcount, name)
    connection.execute(delete(recovery_codes).where(recovery_codes.c.account == name))

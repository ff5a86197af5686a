"""Checks one-time codes (TOTP) and recovery codes."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING, Final

from storage import second_factor

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Seconds for which a code is shown; the default of all authenticator apps.
STEP_S: Final = 30
#: Steps by which a phone's clock may be off.
DRIFT: Final = 1
#: Recovery codes of an account.
RECOVERY_CODES: Final = 10
#: Random bytes of a recovery code: 80 bits, so that its digest cannot be searched.
_CODE_BYTES: Final = 10


def new_secret() -> str:
    """A random key of one-time codes: 160 bits in base32."""
    import pyotp

    return pyotp.random_base32()


def setup_uri(secret: str, name: str) -> str:
    """The otpauth: address that authenticator apps open."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="thermalwatch")


def new_recovery_codes() -> list[str]:
    """Random codes such as ``abcd-efgh-ijkl-mnop``."""
    texts = (
        base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().lower()
        for _ in range(RECOVERY_CODES)
    )
    return ["-".join(text[i : i + 4] for i in range(0, len(text), 4)) for text in texts]


def step_of(secret: str, code: str, now: float) -> int | None:
    """The time step whose code this is, near `now` (Unix s); None if it is wrong or too old."""
    import pyotp

    totp = pyotp.TOTP(secret, interval=STEP_S)
    typed = "".join(code.split()).encode()
    current = int(now) // STEP_S
    found = None
    for step in range(current - DRIFT, current + DRIFT + 1):  # all of them, in constant time
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed):
            found = step
    return found


def accept(engine: Engine, name: str, code: str, now: float) -> bool:
    """Whether an account without a second factor, or this code, lets in; each code does so once.

    Raises:
        DatabaseUnavailable: nobody knows.
    """
    secret = second_factor.secret_of(engine, name)
    if secret is None:
        return True
    step = step_of(secret, code, now)
    if step is not None:
        return second_factor.use_step(engine, name, step)
    return second_factor.use_recovery_code(engine, name, code.strip().lower())

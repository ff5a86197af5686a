"""What a password must be: long, not easy to guess, and not the account's name.

There are no rules about kinds of characters, and passwords don't expire (NIST SP 800-63B).
"""

from __future__ import annotations

from typing import Final

from ops.errors import WeakPassword

#: Fewest characters.
LEAST: Final = 12
#: Most characters, so that hashing takes bounded time.
MOST: Final = 128
#: Characters that are checked against the lists; the check takes the cube of their number.
CHECKED: Final = 64
#: Lowest score of zxcvbn, 0 to 4: below 2, fewer than a million guesses find the password.
LEAST_SCORE: Final = 2


def check_password(password: str, name: str) -> None:
    """Check the new password of an account called `name`.

    zxcvbn knows the 30,000 most common passwords, dictionary words, names, dates, keyboard rows and
    repetitions, also with digits appended and letters replaced.

    Raises:
        WeakPassword: says what is wrong; never contains the password.
    """
    from zxcvbn import zxcvbn

    if len(password) < LEAST:
        raise WeakPassword(f"a password needs at least {LEAST} characters")
    if len(password) > MOST:
        raise WeakPassword(f"a password may have at most {MOST} characters")
    if name.casefold() in password.casefold():
        raise WeakPassword("a password must not contain the name of its account")
    found = zxcvbn(password[:CHECKED], user_inputs=[name, "thermalwatch"])
    if found["score"] < LEAST_SCORE:
        raise WeakPassword(
            "this password is common or easy to guess; several uncommon words are a better one"
        )

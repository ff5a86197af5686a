"""Signatures of model bundles, in the format of minisign (Ed25519).

What is signed is the bundle's ``model.json``. It states the `model_id`, the digest of everything
in the bundle, and loading checks the digest. So ``minisign -Sm bundle/model.json`` signs a bundle
too, and ``minisign -Vm bundle/model.json -P KEY`` checks one.

The secret key is stored unencrypted, like one made by ``minisign -G -W``; only the permissions of
its file protect it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from thermal.errors import BundleError

#: The signature of a bundle, beside its other files.
SIGNATURE_FILE = "model.json.minisig"
#: Most bytes of a signature file.
MAX_SIGNATURE_BYTES = 4096

_PLAIN, _HASHED = b"Ed", b"ED"  # of the data itself, or of its BLAKE2b-512 digest
_UNENCRYPTED = b"\0\0"
_CHECKSUM = b"B2"
_SALT_AND_LIMITS = bytes(32 + 8 + 8)  # of the encryption that is not used


@dataclass(frozen=True)
class PublicKey:
    """A public key: the second line of a minisign ``.pub`` file."""

    number: bytes  #: 8 bytes that name it in signatures
    key: bytes  #: 32 bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read a key.

        Raises:
            ValueError: the text is no public key of minisign.
        """
        data = _decoded(text, 42, _PLAIN)
        return cls(data[2:10], data[10:])

    def __str__(self) -> str:
        """The key as text."""
        return base64.b64encode(_PLAIN + self.number + self.key).decode()


def generate() -> tuple[str, PublicKey]:
    """A new secret key, as the text of its file, and its public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = Ed25519PrivateKey.generate()
    public = PublicKey(secrets.token_bytes(8), secret.public_key().public_bytes_raw())
    pair = public.number + secret.private_bytes_raw() + public.key
    checksum = hashlib.blake2b(_PLAIN + pair, digest_size=32).digest()
    data = _PLAIN + _UNENCRYPTED + _CHECKSUM + _SALT_AND_LIMITS + pair + checksum
    text = base64.b64encode(data).decode()
    return f"untrusted comment: minisign secret key of thermalwatch\n{text}\n", public


def sign(signed: bytes, secret_text: str) -> str:
    """The signature of `signed`, as the text of its file.

    Raises:
        ValueError: the key's file is damaged, of another format, or encrypted.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = _decoded(_line(secret_text.splitlines(), 1), 158, _PLAIN)
    if data[2:4] != _UNENCRYPTED:
        raise ValueError("the key is encrypted; sign with minisign, or make one without a password")
    number, seed, checksum = data[54:62], data[62:94], data[126:]
    if hashlib.blake2b(_PLAIN + data[54:126], digest_size=32).digest() != checksum:
        raise ValueError("the key is damaged")
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    signature = secret.sign(_digest(signed))
    comment = f"timestamp:{int(time.time())}\tfile:model.json\thashed"
    whole = secret.sign(signature + comment.encode())
    return (
        "untrusted comment: signature of a thermalwatch model\n"
        f"{base64.b64encode(_HASHED + number + signature).decode()}\n"
        f"trusted comment: {comment}\n"
        f"{base64.b64encode(whole).decode()}\n"
    )


def verify(signed: bytes, signature_text: str, trusted: Sequence[PublicKey]) -> None:
    """Check a signature.

    Raises:
        BundleError: it is not a signature of `signed` by one of the trusted keys.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    lines = signature_text.splitlines()
    try:
        data = _decoded(_line(lines, 1), 74, _PLAIN, _HASHED)
        comment = _line(lines, 2).removeprefix("trusted comment: ")
        whole = _decoded(_line(lines, 3), 64)
    except ValueError as error:
        raise BundleError(f"{SIGNATURE_FILE} is no signature of minisign: {error}") from None
    key = next((key.key for key in trusted if key.number == data[2:10]), None)
    if key is None:
        raise BundleError(
            f"{SIGNATURE_FILE} was made with another key than the trusted ones; "
            "sign the bundle with one of them, or add its key to `models.trusted_keys`"
        )
    content = _digest(signed) if data[:2] == _HASHED else signed
    public = Ed25519PublicKey.from_public_bytes(key)
    try:
        public.verify(data[10:], content)
        public.verify(whole, data[10:] + comment.encode())
    except InvalidSignature:
        raise BundleError(
            f"{SIGNATURE_FILE} is not the signature of this bundle: one of them was altered; "
            "use an intact copy, or sign the bundle again"
        ) from None


def _digest(signed: bytes) -> bytes:
    return hashlib.blake2b(signed, digest_size=64).digest()


def _line(lines: Sequence[str], number: int) -> str:
    if len(lines) <= number:
        raise ValueError(f"it has {len(lines)} lines")
    return lines[number]


def _decoded(text: str, length: int, *kinds: bytes) -> bytes:
    """The bytes of a base64 line, of this length and one of these kinds."""
    data = base64.b64decode(text.strip(), validate=True)
    if len(data) != length or (kinds and data[:2] not in kinds):
        raise ValueError(f"it should have {length} bytes and begin with {kinds or 'anything'}")
    return data

"""The text of an API key: `elk_ID_SECRET_CHECKSUM`, made to be found by scanners of leaked secrets, and to be checked.

ID (12 hexadecimal digits) names the key in lists and is no secret; SECRET is 256 random bits in base 62; CHECKSUM is
the CRC-32 of all before it, so that a mistyped key is told from one that is not known without any look at the keys.
"""

from __future__ import annotations

import re
import secrets
import string
from binascii import crc32
from dataclasses import dataclass
from hashlib import sha256

PREFIX = "elk"
ID_DIGITS = 12
SECRET_BITS = 256
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_DIGITS, _CHECK_DIGITS = 43, 6
"""62^43 > 2^256, 62^6 > 2^32."""
_FORM = re.compile(
    rf"({PREFIX}_([0-9a-f]{{{ID_DIGITS}}})_[0-9A-Za-z]{{{_SECRET_DIGITS}}})_([0-9A-Za-z]{{{_CHECK_DIGITS}}})"
)


class NoKey(ValueError):
    """A text that no key can have."""


@dataclass(frozen=True)
class KeyText:
    """A key in full, which nothing keeps. `id` names it."""

    id: str
    text: str

    def __repr__(self) -> str:
        """Without the secret: a key that gets into a log or a traceback lets nobody in."""
        return f"KeyText({self.id})"

    @property
    def digest(self) -> str:
        """What is kept of it. Nothing slower than SHA-256 is needed: nobody guesses 256 random bits."""
        return digest_of(self.text)

    @classmethod
    def new(cls) -> KeyText:
        """A key that nobody has yet."""
        identity = secrets.token_hex(ID_DIGITS // 2)
        body = f"{PREFIX}_{identity}_{_base62(secrets.randbits(SECRET_BITS), _SECRET_DIGITS)}"
        return cls(identity, f"{body}_{_checksum(body)}")

    @classmethod
    def read(cls, text: str) -> KeyText:
        """A key that somebody sent; raises `NoKey` for one that was mistyped or cut."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise NoKey(
                f"not an API key; accepted: {PREFIX}_ID_SECRET_CHECKSUM, as it was shown when it was made"
            )
        body, identity, checksum = found.groups()
        if checksum != _checksum(body):
            raise NoKey("the API key's checksum is wrong: a character of it is missing or mistyped")
        return cls(identity, text)


def digest_of(secret: str) -> str:
    """What is kept of a secret: its SHA-256."""
    return sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    found = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_ALPHABET))
        found = _ALPHABET[digit] + found
    return found

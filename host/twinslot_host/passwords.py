"""Passwords: Argon2id hashes, made and checked in threads, a few at a time, since each takes 64 MiB."""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from twinslot_host.config import HASHES_AT_ONCE, HASHES_WAITING, PASSWORD_LEAST, PASSWORD_MOST
from twinslot_host.errors import Invalid, TooMany

T = TypeVar("T")

_HASHER = PasswordHasher()

# No password has this hash (salt and hash are zeros), and to find that out takes as long as with any other.
_NOBODYS = f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}${'A' * 22}${'A' * 43}"


def checked_password(password: str) -> str:
    """The password in Unicode's normal form C, in which every keyboard's is the same.

    Raises Invalid for one that is shorter than 10 characters or longer than 256.
    """
    normal = unicodedata.normalize("NFC", password)
    if not PASSWORD_LEAST <= len(normal) <= PASSWORD_MOST:
        raise Invalid(f"password: it has {PASSWORD_LEAST} to {PASSWORD_MOST} characters")
    return normal


class Passwords:
    """Makes and checks hashes. Each method raises TooMany when too many wait for theirs."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """The hash of a checked password."""
        return await self._worked(lambda: _HASHER.hash(password))

    async def verified(self, known: str | None, password: str) -> bool:
        """Whether the hash is the password's; with None it is not, and that takes as long to find out."""
        normal = unicodedata.normalize("NFC", password)
        right = await self._worked(lambda: _is_of(_NOBODYS if known is None else known, normal))
        return right and known is not None

    def check_free(self) -> None:
        """A hash that is begun now is not refused. Raises TooMany."""
        if self._waiting >= HASHES_WAITING:
            raise TooMany("too many passwords are being checked; try again in a moment", 1)

    async def _worked(self, work: Callable[[], T]) -> T:
        self.check_free()
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _is_of(known: str, password: str) -> bool:
    try:
        return _HASHER.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False

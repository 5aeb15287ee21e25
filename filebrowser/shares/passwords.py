"""Passwords of shares: argon2id, a few at a time, so that guesses cannot take the memory."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST = 1024  # characters
AT_ONCE = 2  # hashes; each takes 19 MiB


class Passwords:
    """Hashes and checks. Parameters: OWASP's least for argon2id (19 MiB, 2 passes, 1 lane)."""

    def __init__(self) -> None:
        self.hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self.turns = threading.BoundedSemaphore(AT_ONCE)

    def hashed(self, password: str) -> str:
        """The encoded hash with a salt of its own."""
        with self.turns:
            return self.hasher.hash(password)

    def opens(self, encoded: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed; anything opens where there is none."""
        if encoded is None:
            return True
        try:
            with self.turns:
                return self.hasher.verify(encoded, password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False

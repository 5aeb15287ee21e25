"""Share passwords: argon2id, with a limit on concurrent hashes to bound memory."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MAX_PASSWORD_LENGTH = 1024  # characters
MAX_HASHING = 2  # hashes; each takes 19 MiB


class SharePasswords:
    """Hashes and checks. Parameters: OWASP's least for argon2id (19 MiB, 2 passes, 1 lane)."""

    def __init__(self) -> None:
        self.hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self.slots = threading.BoundedSemaphore(MAX_HASHING)

    def hash_password(self, password: str) -> str:
        """The encoded hash with a salt of its own."""
        with self.slots:
            return self.hasher.hash(password)

    def verify_password(self, encoded: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed; anything opens where there is none."""
        if encoded is None:
            return True
        try:
            with self.slots:
                return self.hasher.verify(encoded, password[:MAX_PASSWORD_LENGTH])
        except (VerificationError, InvalidHashError):
            return False

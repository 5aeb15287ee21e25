"""Passwords of accounts: which are taken, how they are kept and compared. No Flask."""

import re
import secrets
import threading
from collections import OrderedDict

from filebrowser.shares.passwords import MAX_PASSWORD_LENGTH, SharePasswords
from webapp.access.secret import Secret, digest
from webapp.accounts.database import storable
from webapp.accounts.errors import (
    GuessablePassword,
    UntypablePassword,
    WrongPasswordLength,
)

MIN_PASSWORD_LENGTH = 10  # characters
MIN_DISTINCT = 5  # characters of a password that differ
RUN_LENGTH = 4  # characters one after the other on a keyboard or in the alphabet
ROWS = (
    "abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "azertyuiop",
    "asdfghjkl", "zxcvbnm", "1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn", "!@#$%^&*()",
)  # fmt: skip
COMMON_WORDS = re.compile(
    "password|passwort|passw0rd|p@ssword|letmein|welcome|iloveyou|monkey|dragon|sunshine|princess|"
    "football|baseball|superman|batman|trustno1|whatever|changeme|default|secret|administrator|"
    "admin|root|user|login|master|hello|easel|stable|diffusion"
)
"""What the lists of stolen passwords begin with; too little is left when they are taken away."""

GENERATED_BYTES = 15  # of a password that Easel makes: 120 bits
REMEMBERED = 256  # passwords, as keyed digests, that were right lately


def check_password(password: Secret, name: str) -> None:
    """Refuse a password that is guessed early. Raises a ``Refused`` with what to do (422)."""
    text = password.reveal()
    if not MIN_PASSWORD_LENGTH <= len(text) <= MAX_PASSWORD_LENGTH:
        raise WrongPasswordLength(
            f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters; this one "
            f"has {len(text)}."
        )
    if storable(text, len(text)) != text:
        raise UntypablePassword("A password is made of characters that one can type.")
    if is_easily_guessed(text.casefold(), name.casefold()):
        raise GuessablePassword(
            "This password is guessed early: it is a common word, the user's name, a row of keys "
            "or a few characters again and again. Take several words that have nothing in common."
        )


def is_easily_guessed(text: str, name: str) -> bool:
    """Whether little is left of a password without what everybody tries first."""
    rest = COMMON_WORDS.sub("", text.replace(name, "") if len(name) > 2 else text)
    for row in ROWS:
        for keys in (row, row[::-1]):
            rest = _without_runs(rest, keys)
    letters = re.sub(r"[\W\d_]+$|^[\W\d_]+", "", rest)  # years and signs at the ends count little
    return len(set(rest)) < MIN_DISTINCT or (len(rest) < len(text) and len(letters) < MIN_DISTINCT)


def _without_runs(text: str, keys: str) -> str:
    """``text`` without pieces of a row of keys."""
    at = 0
    while at + RUN_LENGTH <= len(text):
        length = RUN_LENGTH
        if text[at : at + length] not in keys:
            at += 1
            continue
        while at + length < len(text) and text[at : at + length + 1] in keys:
            length += 1
        text = text[:at] + text[at + length :]
    return text


class AccountPasswords:
    """Hashes and compares (argon2id). Who asks with each request is not hashed each time."""

    def __init__(self) -> None:
        self.hashes = SharePasswords()
        self.decoy = self.hashes.hash_password(secrets.token_hex())
        self.key = secrets.token_hex()  # of this process's digests
        self.right: OrderedDict[bytes, None] = OrderedDict()
        self.lock = threading.Lock()

    def hash_password(self, password: Secret) -> str:
        """The encoded hash with a salt of its own."""
        return self.hashes.hash_password(password.reveal())

    def verify(self, encoded: str | None, password: Secret) -> bool:
        """Whether it is the password of this hash; without one, never, and as slowly."""
        known = digest(f"{self.key}\n{encoded}\n{password.reveal()}")
        with self.lock:
            if encoded and known in self.right:
                self.right.move_to_end(known)
                return True
        text = storable(password.reveal(), MAX_PASSWORD_LENGTH)
        same = self.hashes.verify_password(encoded or self.decoy, text)
        if not (same and encoded):
            return False
        with self.lock:
            self.right[known] = None
            if len(self.right) > REMEMBERED:
                self.right.popitem(last=False)
        return True


def generate_password() -> Secret:
    """A password of 120 random bits."""
    return Secret(secrets.token_urlsafe(GENERATED_BYTES))

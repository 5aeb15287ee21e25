"""Secrets that the service makes for itself and keeps in ``.easel``. No Flask, no torch."""

import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.atomic_file import put_aside, write_atomically

MIN_BYTES = 32
MIN_DISTINCT_BYTES = 8  # of those bytes: a disk that lost a write may give back zeros
MAX_BYTES = 4096

log = logging.getLogger("easel")


def session_key(easel_dir: Path) -> bytes:
    """The key that signs cookies and links: at least 32 random bytes."""
    return load_or_create_secret(
        easel_dir / "session.key", _is_key, lambda: secrets.token_bytes(MIN_BYTES)
    )


def owner_token(path: Path) -> str:
    """The owner's token in this file: one line of at least 32 characters."""
    token = load_or_create_secret(
        path, _is_token, lambda: f"{secrets.token_urlsafe(24)}\n".encode()
    )
    return token.decode("ascii").strip()


def load_or_create_secret(
    path: Path, is_whole: Callable[[bytes], bool], make: Callable[[], bytes]
) -> bytes:
    """The secret in a file, made (mode 0600) where there is none.

    One that is not whole is made anew, which the log tells: what it signed or opened ends. Raises
    ``OSError`` where it can be neither read nor written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked_file(path):
        content = _read(path)
        if content is not None and is_whole(content):
            return content
        if content is not None:
            log.error(
                "%s is damaged (%d bytes): a new one was made. What the old one signed or opened "
                "is over.", path, len(content),
            )  # fmt: skip
        if path.is_dir():
            put_aside(path)
        write_atomically(path, secret := make())
        return secret


def _read(path: Path) -> bytes | None:
    """The content of a file that nobody else may read from now on; None where there is none."""
    try:
        handle = _open(path)
    except FileNotFoundError:
        return None
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            return b""
        if stat.S_IMODE(mode) & 0o077:
            os.fchmod(handle, 0o600)
        return os.read(handle, MAX_BYTES + 1)
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except PermissionError:
        path.chmod(0o600)  # ours, and its mode was changed
        return os.open(path, flags)


@contextmanager
def _locked_file(path: Path) -> Iterator[None]:
    """One process at a time: two that mend a secret would each have one of their own."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_key(content: bytes) -> bool:
    return MIN_BYTES <= len(content) <= MAX_BYTES and len(set(content)) >= MIN_DISTINCT_BYTES


def _is_token(content: bytes) -> bool:
    token = content.strip()
    return _is_key(token) and all(33 <= each <= 126 for each in token)

"""Secrets of the service: whole, private, and made anew where they are not."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from webapp.settings.secret_files import owner_token, session_key

MAKERS: dict[str, Callable[[Path], object]] = {
    "session.key": lambda folder: session_key(folder),
    "token": lambda folder: owner_token(folder / "token"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_secret_is_kept_and_private(tmp_path: Path, name: str) -> None:
    made = MAKERS[name](tmp_path / ".easel")
    path = tmp_path / ".easel" / name
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)  # as by an earlier version, or a copy
    assert MAKERS[name](tmp_path / ".easel") == made
    assert path.stat().st_mode & 0o777 == 0o600


DAMAGE = {
    "empty": b"",
    "cut": os.urandom(31),
    "zeros": bytes(32),
    "one byte over and over": b"a" * 64,
    "of another file": os.urandom(5000),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", MAKERS)
def test_a_damaged_secret_is_made_anew_and_told(
    tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name).write_bytes(DAMAGE[damage])
    with caplog.at_level(logging.ERROR, "easel"):
        made = MAKERS[name](tmp_path)
    assert f"{name} is damaged" in caplog.text
    assert len(str(made)) >= 32
    assert (tmp_path / name).read_bytes() != DAMAGE[damage]
    assert MAKERS[name](tmp_path) == made


@pytest.mark.parametrize("text", ["a" * 8 + "bcdefgh", "two words " * 5, "first\n" * 8, "é" * 40])
def test_a_token_of_another_form_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    assert owner_token(tmp_path / "token") not in text


def test_a_link_to_nowhere_and_a_folder_are_no_secret(tmp_path: Path) -> None:
    (tmp_path / "session.key").symlink_to(tmp_path / "nowhere")
    key = session_key(tmp_path)
    assert not (tmp_path / "session.key").is_symlink()
    (tmp_path / "session.key").unlink()
    (tmp_path / "session.key").mkdir()
    assert len(session_key(tmp_path)) == 32
    assert session_key(tmp_path) != key


@pytest.mark.parametrize("name", MAKERS)
def test_a_full_disk_leaves_no_secret_behind(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        MAKERS[name](tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.lock"]

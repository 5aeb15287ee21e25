"""Damages the service's state files as a crash, a bad disk or a user may."""

import random
import shutil
from pathlib import Path

from generator.data_folders import STATE_FOLDER

DATABASES = ("shares.db", "file-jobs.db", "files.db", "hashes.db", "queue.db")
KINDS = ("empty", "garbage", "middle", "head", "cut", "folder", "gone", "dangling")


def damage_state(data_dir: Path, chance: random.Random) -> list[str]:
    """Damage most of the side databases and the options; what was done, for the log."""
    easel = data_dir / STATE_FOLDER
    reports = [
        f"{name}: {damage_file(easel / name, chance)}"
        for name in DATABASES
        if chance.random() < (0.3 if name == "queue.db" else 0.8)
    ]
    options = data_dir / "config.json"
    kind = chance.choice(("folder", "garbage", "empty", "gone"))
    return [*reports, f"config.json: {damage_file(options, chance, kind)}"]


def remove_state(data_dir: Path) -> None:
    """Take away all that may be damaged, for a service that did not start with it."""
    for path in (*(data_dir / STATE_FOLDER / name for name in DATABASES), data_dir / "config.json"):
        remove_path(path)


def damage_file(path: Path, chance: random.Random, kind: str = "") -> str:
    """Damage one file in one way; its name."""
    kind = kind or chance.choice(KINDS)
    content = path.read_bytes() if path.is_file() else b""
    if kind in ("folder", "gone", "dangling"):
        remove_path(path)
        if kind == "folder":
            (path / "in it").mkdir(parents=True)
        elif kind == "dangling":
            path.symlink_to("nowhere")
        return kind
    remove_path(path)
    path.write_bytes(damage_bytes(content, kind, chance))
    return kind


def damage_bytes(content: bytes, kind: str, chance: random.Random) -> bytes:
    """The bytes of a file that came to harm."""
    size = len(content)
    if kind == "empty":
        return b""
    if kind == "garbage":
        return chance.randbytes(max(size, 8192))
    if kind == "cut":
        return content[: size // 2 + 1]
    begin = 0 if kind == "head" else size // 3
    return content[:begin] + chance.randbytes(size // 3) + content[begin + size // 3 :]


def remove_path(path: Path) -> None:
    """Take away a file, a link or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

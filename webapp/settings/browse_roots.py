"""``--browse-root``: folders that the file browser shows beside the data directory."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

ROOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


RIGHT_NAMES = ("view", "read")


class BadRoot(ValueError):
    """A value of the flag that cannot be used; the text says why."""


def parse_browse_roots(texts: Sequence[str], home: Path) -> tuple[tuple[str, Path, bool], ...]:
    """``NAME=PATH`` or ``NAME=PATH:ro``; names are what paths of the file browser begin with.

    Relative paths begin at ``home``. Raises :class:`BadRoot`.
    """
    roots: dict[str, tuple[str, Path, bool]] = {}
    for text in _rejoin_read_only(texts):
        name, equals, path = text.partition("=")
        writable = not path.endswith(":ro")
        path = path.removesuffix(":ro")
        if not (equals and path and ROOT_NAME.fullmatch(name)):
            raise BadRoot(
                f"--browse-root takes NAME=PATH or NAME=PATH:ro with a name of letters, digits, "
                f"_ and -, not {text!r}."
            )
        if name == "data" or name in roots:
            raise BadRoot(f"--browse-root: the name {name!r} is taken; choose another.")
        roots[name] = (name, Path(os.path.abspath(home / Path(path).expanduser())), writable)
    return tuple(roots.values())


def parse_folder_rights(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``PATH=view`` or ``PATH=read``: a tree, or a folder in one, as the file browser names it.

    Raises :class:`BadRoot`.
    """
    limits = []
    for text in texts:
        path, _, right = text.rpartition("=")
        names = [name for name in path.split("/") if name]
        if not names or right not in RIGHT_NAMES or {".", ".."} & set(names):
            raise BadRoot(
                "--folder-rights takes a folder and one of view and read, such as "
                f"public/Stable-diffusion=view, not {text!r}."
            )
        limits.append(("/".join(names), right))
    return tuple(limits)


def _rejoin_read_only(texts: Sequence[str]) -> list[str]:
    """``NAME=PATH:ro`` comes as two from the environment, where colons part paths."""
    rejoined: list[str] = []
    for text in texts:
        if text == "ro" and rejoined:
            rejoined[-1] += ":ro"
        else:
            rejoined.append(text)
    return rejoined

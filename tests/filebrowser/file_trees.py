"""Trees of small files as dictionaries: path -> content, None for a folder."""

import os
from collections.abc import Mapping
from pathlib import Path

FileTree = dict[str, bytes | None]


def write_tree(folder: Path, tree: Mapping[str, bytes | None]) -> None:
    """Make files and folders below ``folder``; those on the way too."""
    for path, content in tree.items():
        target = folder / path
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def read_tree(folder: Path, *, dotted: bool = False) -> FileTree:
    """What lies below ``folder``; names with a dot, and all below them, only where asked for."""
    tree: FileTree = {}
    for place, folders, files in os.walk(folder):
        here = os.path.relpath(place, folder)
        prefix = "" if here == "." else f"{here}/"
        folders[:] = [name for name in folders if dotted or name[0] != "."]
        tree |= {f"{prefix}{name}": None for name in folders}
        tree |= {
            f"{prefix}{name}": Path(place, name).read_bytes()
            for name in files
            if dotted or name[0] != "."
        }
    return tree

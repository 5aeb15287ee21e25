"""Creates, changes and deletes styles, each in the file it is read from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from generator.prompt.styles import Style, read_styles, rows_of, write_styles


def save_style(paths: Sequence[Path], style: Style, previous: str = "") -> None:
    """Keep a style: in the place of ``previous`` or of its name, else at the end of the first file.

    Other rows stay, comments too. Raises ``KeyError`` for a ``previous`` that is not there, and
    ``OSError``.
    """
    known = read_styles(paths)
    before = known[previous] if previous else known.get(style.name)
    path = before.path if before and before.path else paths[0]
    rows = rows_of(path)
    if before is None:
        rows.append(style)
    else:
        at = next(place for place, row in enumerate(rows) if row.name == before.name)
        rows[at] = replace(style, path=path)
    write_styles(path.resolve(), rows)


def delete_style(paths: Sequence[Path], name: str) -> None:
    """Throw a style away, from every file that has it. Raises ``KeyError``, ``OSError``."""
    if name not in read_styles(paths):
        raise KeyError(name)
    for path in paths:
        rows = rows_of(path)
        left = [row for row in rows if row.name != name]
        if len(left) < len(rows):
            write_styles(path.resolve(), left)

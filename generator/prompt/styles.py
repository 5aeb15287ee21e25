"""Named prompt pieces from ``styles.csv`` (contract section 2.13)."""

import codecs
import csv
import io
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.atomic_file import shared_mode, write_atomically
from generator.errors import BadRequest, ModelUnreadable
from generator.models.plain_files import open_plain
from generator.prompt.grammar import strip_comments
from generator.reasons import reason_of

MAX_FILE_BYTES = 1 << 23  # bytes of a file of styles
LONGEST_STYLED = 40_000  # characters of a prompt with its styles
SEPARATOR = re.compile(r"\Asep=[,;\t]\r?\n", re.IGNORECASE)  # which spreadsheets write first
COMMENT = "#"  # how the name of a row begins that is none

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Style:
    """A named pair of prompt pieces; ``{prompt}`` in one stands for the prompt it is applied to."""

    name: str
    prompt: str
    negative_prompt: str
    path: Path | None = None


def read_styles(paths: Iterable[Path]) -> dict[str, Style]:
    """Styles of the files that exist, by name; an earlier file wins over a later one.

    Rows whose name starts with ``#`` are comments; the old column ``text`` stands for ``prompt``.
    A file that cannot be read has no styles, and the log says why.
    """
    styles: dict[str, Style] = {}
    for path in paths:
        try:
            rows = rows_of(path)
        except (BadRequest, OSError) as error:
            log.warning("no styles are read: %s", error)
            continue
        for row in rows:
            if row.name and not row.name.startswith(COMMENT):
                styles.setdefault(row.name, row)
    return styles


def unread_styles(paths: Iterable[Path]) -> list[str]:
    """Why files that are there have no styles, a sentence each."""
    reasons = []
    for path in paths:
        try:
            rows_of(path)
        except BadRequest as error:
            reasons.append(str(error))
        except OSError as error:
            reasons.append(f"{path.name}: {reason_of(error)}.")
    return reasons


def rows_of(path: Path) -> list[Style]:
    """Every row of a file in its order, comments too; none where there is no file.

    UTF-8, UTF-16, or what Western spreadsheets write; commas, semicolons or tabs between columns,
    whose names count in any case. Raises :class:`BadRequest` for what is no such table, OSError.
    """
    try:
        with open_plain(path) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return []
    except ModelUnreadable as error:
        raise BadRequest(f"{error}.") from error
    if len(content) > MAX_FILE_BYTES:
        raise BadRequest(f"{path.name} is larger than {MAX_FILE_BYTES:,} bytes: split it.")
    text = SEPARATOR.sub("", _decode(content).replace("\0", "").lstrip("\r\n"))
    heading = (text.splitlines() or [""])[0]
    comma = max(",;\t", key=heading.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=comma, skipinitialspace=True)
    try:
        columns = [column.strip().lower() for column in table.fieldnames or ()]
        if text.strip() and "name" not in columns:
            raise BadRequest(
                f"{path.name}: its first line names no column `name`, so it is no table of styles. "
                "It should be: name,prompt,negative_prompt."
            )
        table.fieldnames = columns
        return [_to_style(row, path) for row in table]
    except csv.Error as error:
        raise BadRequest(
            f"{path.name}, line {table.line_num}: quotes that do not close, or too long. Mend it."
        ) from error


def _decode(content: bytes) -> str:
    """The text of a table: UTF-16 by its byte-order mark or zeros, UTF-8, Windows' Western one."""
    if b"\0" in content[:2] and not content.startswith(b"\0\0"):
        return content.decode("utf-16-be" if content[0] == 0 else "utf-16-le", "replace")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _to_style(row: dict[str, str | None], path: Path) -> Style:
    prompt = row["prompt"] if "prompt" in row else row.get("text")
    return Style(row.get("name") or "", prompt or "", row.get("negative_prompt") or "", path)


def write_styles(path: Path, styles: Iterable[Style]) -> None:
    """Replace ``path`` as one act; the old file stays as ``styles.csv.bak``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("name", "prompt", "negative_prompt"))
    writer.writerows((s.name, s.prompt, s.negative_prompt) for s in styles)
    mode = shared_mode(0o666)
    if path.is_file():
        mode = path.stat().st_mode & 0o777
        write_atomically(path.with_name(path.name + ".bak"), path.read_bytes(), mode)
    write_atomically(path, text.getvalue().encode("utf-8-sig"), mode)


def apply_styles(prompt: str, pieces: Iterable[str]) -> str:
    """``prompt`` with the pieces of its styles, in order.

    Raises :class:`BadRequest` where it grows beyond what is read.
    """
    for piece in pieces:
        length = len(piece) + len(prompt) * max(1, piece.count("{prompt}"))
        if length > LONGEST_STYLED:
            raise BadRequest(
                f"the prompt with its styles has {length:,} characters; at most "
                f"{LONGEST_STYLED:,}.",
                "styles",
                "too_long",
                length=length,
                most=LONGEST_STYLED,
            )
        if "{prompt}" in piece:
            prompt = piece.replace("{prompt}", prompt)
        else:
            prompt = ", ".join(part for part in (prompt.strip(), piece.strip()) if part)
    return prompt


def apply_named_styles(
    prompt: str,
    negative_prompt: str,
    names: Sequence[str],
    styles: dict[str, Style],
    *,
    comments: bool = False,
) -> tuple[str, str]:
    """Both prompts with the styles of these names; unknown names have no effect.

    ``comments``: the prompts' own are taken out first, as a style behind one would be part of it.
    """
    chosen = [styles[name] for name in names if name in styles]
    if comments and chosen:
        prompt, negative_prompt = strip_comments(prompt), strip_comments(negative_prompt)
    return (
        apply_styles(prompt, (s.prompt for s in chosen)),
        apply_styles(negative_prompt, (s.negative_prompt for s in chosen)),
    )


def extract_styles(
    prompt: str, negative_prompt: str, styles: Iterable[Style]
) -> tuple[tuple[str, ...], str, str]:
    """Names of the styles that both prompts show, in the order of their application, and the rest.

    A style counts when its piece can be taken off the prompt and its other piece off the negative
    one (contract section 6.4); then the remainder is looked at again.
    """
    known = [style for style in styles if style.prompt or style.negative_prompt]
    names: list[str] = []
    while known:
        for style in known:
            rest = (
                _remove_piece(prompt, style.prompt),
                _remove_piece(negative_prompt, style.negative_prompt),
            )
            if rest[0] is not None and rest[1] is not None:
                prompt, negative_prompt = rest[0], rest[1]
                names.insert(0, style.name)
                known = [other for other in known if other.name != style.name]
                break
        else:
            break
    return tuple(names), prompt, negative_prompt


def _remove_piece(prompt: str, piece: str) -> str | None:
    """``prompt`` before ``piece`` was applied to it; None if it was not."""
    before, mark, after = piece.strip().partition("{prompt}")
    if mark:
        fits = len(prompt) >= len(before) + len(after)
        if fits and prompt.startswith(before) and prompt.endswith(after):
            return prompt[len(before) : len(prompt) - len(after)]
        return None
    text = prompt.rstrip()
    if not text.endswith(before):
        return None
    rest = text.removesuffix(before) if before else text
    if before and rest and not rest.endswith(", "):
        return None
    return rest.removesuffix(", ") if before else prompt

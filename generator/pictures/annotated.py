"""Sheets of pictures with a legend at their edges (contract sections 6.6 and 9.6)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = Path(__file__).with_name("Roboto-Regular.ttf")  # Apache-2.0, see Roboto-LICENSE.txt
WIDER = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "msyh.ttc", "PingFang.ttc")
"""Fonts of the system's that have what ours lacks: Chinese, Japanese, Korean."""

FIRST_WIDE = "\u2e80"  # where East Asian letters begin
DOTLESS = str.maketrans("ij", "\u0131\u0237")
SMALL = 9  # pixels; FreeType since 2.14 lifts the dots of smaller letters by a pixel
ACTIVE, INACTIVE, PAPER = "#000000", "#999999", "#ffffff"


@dataclass(frozen=True, slots=True)
class Note:
    """One entry of a legend; one that is not ``active`` is struck through."""

    text: str
    active: bool = True


Legend = Sequence[Sequence[Note]]  # of a row or a column: its entries one below the other


@dataclass(frozen=True, slots=True)
class _Block:
    """A line as it is written, with the size of its box in pixels."""

    text: str
    active: bool
    font: ImageFont.FreeTypeFont
    width: float
    height: float


def annotate(
    sheet: Image.Image, cell: tuple[int, int], columns: Legend, rows: Legend, margin: int = 0
) -> Image.Image:
    """``sheet`` of pictures as large as ``cell``, with a legend for each column and row.

    ``margin`` pixels are put between the pictures. A legend at the left takes three quarters of a
    picture's width, one at the top as much as its highest entry; empty legends take nothing.
    """
    width, height = cell
    size = (width + height) // 25
    spacing = size // 2
    left = width * 3 // 4 if _any(rows) else 0
    across, down = len(columns), len(rows)
    tops = [_blocks(column, size, width) for column in columns]
    sides = [_blocks(row, size, left) for row in rows]
    high = max((_height(blocks, spacing) for blocks in tops), default=0)
    top = int(high + 2 * spacing) if _any(columns) else 0
    size_of_all = (
        sheet.width + left + margin * (across - 1),
        sheet.height + top + margin * (down - 1),
    )
    whole = Image.new("RGB", size_of_all, PAPER)
    for row in range(down):
        for column in range(across):
            part = sheet.crop(
                (width * column, height * row, width * (column + 1), height * (row + 1))
            )
            whole.paste(part, (left + (width + margin) * column, top + (height + margin) * row))
    pen = ImageDraw.Draw(whole)
    for column, blocks in enumerate(tops):
        x = left + (width + margin) * column + width / 2
        _write(pen, x, top / 2 - _height(blocks, spacing) / 2, blocks, spacing)
    for row, blocks in enumerate(sides):
        y = top + (height + margin) * row + height / 2
        # AUTOMATIC1111 does not count the space between the lines here.
        _write(pen, left / 2, y - sum(block.height for block in blocks) / 2, blocks, spacing)
    return whole


def _any(legend: Legend) -> bool:
    return any(note.text for notes in legend for note in notes)


def _height(blocks: Sequence[_Block], spacing: int) -> float:
    return sum(block.height + spacing for block in blocks) - spacing


def _blocks(notes: Sequence[Note], size: int, room: int) -> list[_Block]:
    """The lines of a legend's entry, wrapped into ``room`` pixels."""
    return [
        _block(line, note.active, size, room)
        for note in notes
        for line in _wrapped(note.text, font_for(note.text, size), room)
    ]


def _block(text: str, active: bool, size: int, room: int) -> _Block:
    """A line, in smaller letters where one of its words is too long."""
    font = font_for(text, size)
    while size > 1 and font.getlength(text) > room:
        size -= 1
        font = font_for(text, size)
    left, top, right, bottom = font.getbbox(text.translate(DOTLESS) if size < SMALL else text)
    return _Block(text, active, font, right - left, bottom - top)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, room: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _write(
    pen: ImageDraw.ImageDraw, x: float, y: float, blocks: Sequence[_Block], spacing: int
) -> None:
    for block in blocks:
        middle = y + block.height / 2
        colour = ACTIVE if block.active else INACTIVE
        pen.text((x, middle), block.text, font=block.font, fill=colour, anchor="mm")
        if not block.active:
            half = block.width // 2
            pen.line((x - half, middle, x + half, middle), fill=INACTIVE, width=4)
        y += block.height + spacing


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Our font of ``size`` pixels, or one of the system's where ours lacks a letter of ``text``."""
    wide = any(letter >= FIRST_WIDE for letter in text)
    return _font(max(size, 1), wide)


@cache
def _font(size: int, wide: bool) -> ImageFont.FreeTypeFont:
    for name in WIDER if wide else ():
        with suppress(OSError):  # not installed; Pillow looks in the system's folders
            return ImageFont.truetype(name, size)
    return ImageFont.truetype(FONT, size)

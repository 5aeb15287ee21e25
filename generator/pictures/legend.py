"""Legends of a grid: texts above columns and beside rows.

Sizes follow AUTOMATIC1111's sheets (recorded ones are equal to the pixel); the font is Roboto.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

CJK_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "msyh.ttc", "PingFang.ttc")
FIRST_CJK_LETTER = "\u2e80"  # where East Asian letters begin
FONT = Path(__file__).with_name("font") / "Roboto-Regular.ttf"
PAPER = (255, 255, 255)
INK = (0, 0, 0)
FAINT_INK = (153, 153, 153)
STRIKE = 4  # pixels


@dataclass(frozen=True, slots=True)
class Label:
    """A text of a legend; one that does not hold for its pictures is faint and struck out."""

    text: str = ""
    holds: bool = True


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    holds: bool
    room: int  # pixels that it may take in width
    width: int  # pixels that it takes at the legend's size
    height: int


Labels = Sequence[Sequence[Label]]  # for each column or row its labels, below one another


def add_legend(
    sheet: Image.Image, cell: tuple[int, int], columns: Labels, rows: Labels, margin: int = 0
) -> Image.Image:
    """``sheet``, made of cells of one size (width, height), with its legend and ``margin`` pixels
    between the cells.
    """
    size = (cell[0] + cell[1]) // 25
    gap = size // 2
    beside = cell[0] * 3 // 4 if any(label.text for row in rows for label in row) else 0
    above = [_wrap_labels(labels, size, cell[0]) for labels in columns]
    aside = [_wrap_labels(labels, size, beside) for labels in rows]
    heights = [_lines_height(lines, gap) for lines in above]
    top = max(heights) + 2 * gap if sum(heights) else 0
    spread = _space_cells(sheet, cell, (beside, top), margin)
    drawing = ImageDraw.Draw(spread)
    for column, lines in enumerate(above):
        middle = beside + (cell[0] + margin) * column + cell[0] / 2
        _draw_lines(drawing, middle, top / 2 - heights[column] / 2, lines, size)
    for row, lines in enumerate(aside):
        height = sum(line.height + gap for line in lines) - gap * len(lines)
        middle = top + (cell[1] + margin) * row + cell[1] / 2
        _draw_lines(drawing, beside / 2, middle - height / 2, lines, size)
    return spread


def _space_cells(
    sheet: Image.Image, cell: tuple[int, int], offset: tuple[int, int], margin: int
) -> Image.Image:
    """The cells of ``sheet`` on white paper, apart from one another."""
    columns, rows = sheet.width // cell[0], sheet.height // cell[1]
    size = (
        sheet.width + offset[0] + margin * (columns - 1),
        sheet.height + offset[1] + margin * (rows - 1),
    )
    paper = Image.new("RGB", size, PAPER)
    for row in range(rows):
        for column in range(columns):
            left, top = cell[0] * column, cell[1] * row
            part = sheet.crop((left, top, left + cell[0], top + cell[1]))
            place = (offset[0] + left + margin * column, offset[1] + top + margin * row)
            paper.paste(part, place)
    return paper


def _load_font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """Ours, or one of the system's for East Asian letters, which ours lacks."""
    for name in CJK_FONTS if any(letter >= FIRST_CJK_LETTER for letter in text) else ():
        with suppress(OSError):  # not installed; Pillow looks in the system's folders
            return ImageFont.truetype(name, max(size, 1))
    return ImageFont.truetype(str(FONT), max(size, 1))


def _wrap_labels(labels: Sequence[Label], size: int, width: int) -> list[_Line]:
    """The lines that the labels break into at ``width`` pixels."""
    lines = []
    for label in labels:
        font = _load_font(size, label.text)
        for text in _break_lines(label.text, font, width):
            lines.append(_Line(text, label.holds, width, *_text_size(text, font)))
    return lines


def _text_size(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Width and height of a line in pixels.

    FreeType 2.14 lifts the dots of small letters, which would make a legend a pixel taller than
    AUTOMATIC1111's: dotted letters count as high as capitals instead.
    """
    left, _, right, _ = font.getbbox(text)
    level = text.replace("i", "\N{LATIN SMALL LETTER DOTLESS I}").replace("j", "q")
    boxes = [font.getbbox(level), *([font.getbbox("T")] if level != text else [])]
    height = max(box[3] for box in boxes) - min(box[1] for box in boxes) if text else 0
    return int(right - left), int(height)


def _break_lines(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _lines_height(lines: Sequence[_Line], gap: int) -> int:
    return sum(line.height + gap for line in lines) - gap


def _draw_lines(
    drawing: ImageDraw.ImageDraw, x: float, y: float, lines: Sequence[_Line], size: int
) -> None:
    for line in lines:
        small, font = size, _load_font(size, line.text)
        while small > 0 and font.getlength(line.text) > line.room:
            small -= 1
            font = _load_font(small, line.text)
        ink = INK if line.holds else FAINT_INK
        place = (x, y + line.height / 2)
        drawing.multiline_text(place, line.text, ink, font, "mm", align="center")
        if not line.holds:
            half, level = line.width // 2, y + line.height // 2
            drawing.line((x - half, level, x + half, level), FAINT_INK, STRIKE)
        y += line.height + size // 2

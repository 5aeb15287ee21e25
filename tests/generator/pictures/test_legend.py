"""Legends: every word is there, nothing runs out of its cell, the cells stay as they were."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from generator.pictures.legend import FAINT_INK, FONT, Label, _break_lines, add_legend

CELL = (96, 64)
words = st.text("abcdefgijlmnopqrstuvwyzABCDEFG0123456789", min_size=1, max_size=12)


def sheet(columns: int, rows: int) -> Image.Image:
    """Cells of one colour each."""
    whole = Image.new("RGB", (CELL[0] * columns, CELL[1] * rows))
    for place in range(columns * rows):
        colour = (20 + 30 * place % 200, 90, 200 - 30 * place % 200)
        whole.paste(colour, (place % columns * CELL[0], place // columns * CELL[1], *whole.size))
    return whole


def labelled(columns: list[str], rows: list[str], margin: int = 0, **how: bool) -> Image.Image:
    texts = ([[Label(text, **how)] for text in some] for some in (columns, rows))
    return add_legend(sheet(len(columns), len(rows)), CELL, *texts, margin)


@given(st.lists(words, max_size=12), st.integers(20, 200))
@settings(max_examples=25)
def test_lines_hold_all_words_in_order_and_fit_unless_a_word_is_too_long(
    text: list[str], width: int
) -> None:
    font = ImageFont.truetype(str(FONT), 12)
    lines = _break_lines(" ".join(text), font, width)
    assert " ".join(lines).split() == text
    assert all(font.getlength(line) <= width or " " not in line for line in lines)
    for line, after in pairwise(lines):  # no line ends before it is full
        assert font.getlength(f"{line} {after.split(' ')[0]}".strip()) > width


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (3, 1), (2, 3)])
@pytest.mark.parametrize("margin", [0, 7])
def test_cells_stand_behind_the_legend_as_they_were(columns: int, rows: int, margin: int) -> None:
    found = labelled(["x"] * columns, ["y"] * rows, margin)
    whole = sheet(columns, rows)
    left = found.width - whole.width - margin * (columns - 1)
    top = found.height - whole.height - margin * (rows - 1)
    assert left == CELL[0] * 3 // 4
    assert top > 0
    for row in range(rows):
        for column in range(columns):
            x, y = column * CELL[0], row * CELL[1]
            place = (left + x + margin * column, top + y + margin * row)
            part = found.crop((*place, place[0] + CELL[0], place[1] + CELL[1]))
            assert part == whole.crop((x, y, x + CELL[0], y + CELL[1]))


@pytest.mark.parametrize("margin", [0, 30])
def test_words_stand_in_the_middle_of_their_cells(margin: int) -> None:
    for place in range(3):
        words = ["", "", ""]
        words[place] = "o"
        middle = place * (CELL[0] + margin) + CELL[0] / 2
        above = np.asarray(labelled(words, [""], margin))[:, :, 0]
        inked = np.nonzero((above[: above.shape[0] - CELL[1]] < 128).any(0))[0]
        assert inked.mean() == pytest.approx(middle, abs=1.5)
        beside = np.asarray(labelled([""], words, margin))[:, : CELL[0] * 3 // 4, 0]
        inked = np.nonzero((beside < 128).any(1))[0]
        assert inked.mean() == pytest.approx(middle - (CELL[0] - CELL[1]) * (place + 0.5), abs=2.5)


def test_a_legend_without_words_takes_no_room() -> None:
    assert labelled([""], [""]).size == CELL
    assert labelled(["", ""], [""]).size == (CELL[0] * 2, CELL[1])


def test_only_the_side_that_has_words_takes_room() -> None:
    above, beside = labelled(["above"], [""]), labelled([""], ["beside"])
    assert above.width == CELL[0]
    assert above.height > CELL[1]
    assert (beside.width, beside.height) == (CELL[0] + CELL[0] * 3 // 4, CELL[1])


@given(st.lists(words, min_size=1, max_size=10))
@settings(max_examples=10)
def test_more_lines_make_a_legend_taller_and_the_tallest_column_decides(text: list[str]) -> None:
    one = labelled([text[0], "i"], [""]).height
    more = labelled([" ".join(text), "i"], [""]).height
    assert more >= one
    assert labelled(["i", " ".join(text)], [""]).height == more


@pytest.mark.parametrize("word", ["W" * 40, "a" * 100, "猫" * 30])
def test_a_word_too_long_for_its_cell_is_drawn_smaller(word: str) -> None:
    """Nothing of it is cut off at the sides."""
    found = labelled([word, "i"], [""])
    legend = np.asarray(found)[: found.height - CELL[1]]
    ink = (legend < 250).all(-1)
    assert ink.any()
    assert not ink[:, 0].any()
    assert ink[:, : CELL[0]].any()


def test_what_does_not_hold_is_faint_and_struck_out() -> None:
    holds, fails = labelled(["cat"], [""]), labelled(["cat"], [""], holds=False)
    legend = np.asarray(fails)[: fails.height - CELL[1]].reshape(-1, 3)
    assert legend.min() == FAINT_INK[0]
    assert np.asarray(holds)[: holds.height - CELL[1]].min() < FAINT_INK[0]
    struck = np.asarray(fails)[: fails.height - CELL[1]]
    full = (struck == FAINT_INK).all(-1).sum(1).max()
    assert full >= 8  # a line through the whole word


def test_dots_on_letters_make_a_line_no_taller_than_capitals() -> None:
    assert labelled(["Tij"], [""]).height == labelled(["Tmq"], [""]).height

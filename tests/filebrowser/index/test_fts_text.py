"""Texts for full-text search, against SQLite's own FTS5: no text breaks a query, and what is kept
is found again.
"""

import sqlite3
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filebrowser.index.fts_text import (
    MAX_TEXT_LENGTH,
    fts_phrase,
    join_cjk,
    separate_cjk,
    to_storable,
    with_word_parts,
)


@pytest.fixture(scope="module")
def table() -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'unicode61')")
    yield database
    database.close()


def is_found(table: sqlite3.Connection, text: str, phrase: str) -> bool:
    table.execute("DELETE FROM texts")
    table.execute("INSERT INTO texts VALUES (?)", (with_word_parts(text),))
    return bool(table.execute("SELECT 1 FROM texts WHERE texts MATCH ?", (phrase,)).fetchall())


@given(text=st.text(max_size=60), exact=st.booleans())
def test_no_question_is_a_syntax_error(table: sqlite3.Connection, text: str, exact: bool) -> None:
    phrase = fts_phrase(text, exact=exact)
    if phrase:
        is_found(table, "something", phrase)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("a red house", "red"),
        ("a red house", "red hou"),
        ("a red house", "RED house"),
        ("DreamShaper_v8.safetensors", "shaper"),
        ("DreamShaper_v8.safetensors", "8"),
        ("DreamShaper_v8.safetensors", "dreamshaper v8"),
        ("XMLHttpRequest", "http"),
        ("可爱的猫在睡觉", "猫"),
        ("可爱的猫在睡觉", "猫在"),
        ("ｆｕｌｌｗｉｄｔｈ", "fullwidth"),
        ("한국어 문장", "국어"),
        ("naïve café", "cafe"),
        ('say "cheese" AND NOT (x)', '"cheese" AND'),
    ],
)
def test_a_text_is_found_by_its_words(table: sqlite3.Connection, text: str, question: str) -> None:
    assert is_found(table, text, fts_phrase(question, exact=False))


@pytest.mark.parametrize(
    ("text", "question", "exact"),
    [
        ("a red house", "hous", True),  # no part of a word, where the whole is asked for
        ("a red house", "house red", False),  # words in their order
        ("可爱的猫在睡觉", "爱猫", False),  # what did not stand together
        ("house", "h", False),  # one letter goes for itself alone
    ],
)
def test_a_text_is_not_found_by_others(
    table: sqlite3.Connection, text: str, question: str, exact: bool
) -> None:
    assert not is_found(table, text, fts_phrase(question, exact=exact))


@pytest.mark.parametrize("text", ["", " ", "___", "!?", '"""', "*", "\0"])
def test_a_question_without_words_asks_for_nothing(text: str) -> None:
    assert fts_phrase(text, exact=False) == ""


@given(st.text(max_size=60))
def test_separation_is_undone(text: str) -> None:
    plain = text.replace("\u200b", "")
    assert join_cjk(separate_cjk(text)) == unicodedata.normalize("NFKC", to_storable(plain))


def test_texts_are_bounded_and_storable(table: sqlite3.Connection) -> None:
    assert len(separate_cjk("x" * (MAX_TEXT_LENGTH + 5))) == MAX_TEXT_LENGTH
    assert to_storable("a\0b\ud800") == "a b?"

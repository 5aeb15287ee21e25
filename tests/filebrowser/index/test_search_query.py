"""The language of searches: what is understood, what is refused, and how long it takes."""

from contextlib import suppress
from datetime import datetime

import pytest

from filebrowser.errors import BadSearch
from filebrowser.index.fts_text import fts_phrase, join_cjk, separate_cjk, with_word_parts
from filebrowser.index.query import MAX_QUERY_LENGTH, Term, parse_query
from tests.wait import assert_quick

NOW = datetime(2026, 11, 23, 12)
DAY = 86_400 * 10**9


def ns(*day: int) -> int:
    return int(datetime(*day).timestamp()) * 10**9


def one(text: str) -> Term:
    (term,) = parse_query(text, NOW)
    return term


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("cat", Term("", "cat")),
        ("-cat", Term("", "cat", negated=True)),
        ('"a black cat"', Term("", "a black cat", whole=True)),
        ('-"a cat"', Term("", "a cat", whole=True, negated=True)),
        ("Model:deliberate", Term("model", "deliberate")),
        ('-lora:"my style"', Term("lora", "my style", whole=True, negated=True)),
        ("(cat:1.2)", Term("", "(cat:1.2)")),
        ("cat:1.2", Term("", "cat 1.2")),
        ('"never closed', Term("", "never closed", whole=True)),
        ("kind:Image,VIDEO", Term("kind", "image,video")),
        ("a\0b", Term("", "a")),
    ],
)
def test_terms(text: str, term: Term) -> None:
    assert parse_query(text, NOW)[0] == term


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("seed:7", (7, 8)),
        ("seed:>7", (8, None)),
        ("seed:<=7", (None, 8)),
        ("width:512..768", (512, 769)),
        ("width:512..", (512, None)),
        ("size:10", (10, 11)),
        ("size:>1mb", (1024**2 * 2, None)),
        ("size:>=1MiB", (1024**2, None)),
        ("size:<1.5k", (None, 1536)),
        ("size:1mb..2mb", (1024**2, 3 * 1024**2)),
        ("date:2026-11-05", (ns(2026, 11, 5), ns(2026, 11, 6))),
        ("date:2026-12", (ns(2026, 12, 1), ns(2027, 1, 1))),
        ("date:2025", (ns(2025, 1, 1), ns(2026, 1, 1))),
        ("date:today", (ns(2026, 11, 23), ns(2026, 11, 24))),
        ("date:>=yesterday", (ns(2026, 11, 22), None)),
        ("date:2026-02..2026-03", (ns(2026, 2, 1), ns(2026, 4, 1))),
    ],
)
def test_spans(text: str, span: tuple[int | None, int | None]) -> None:
    assert one(text).span == span


@pytest.mark.parametrize(
    "text",
    [
        *("size:big", "size:-1", "size:1pb", "size:>", "size:" + "9" * 40),
        *("seed:x", "seed:１", "seed:1.5", "width:1e3", "height:" + "1" * 30),
        *("date:tomorrow", "date:2026-13", "date:2026-02-30", "date:0000", "date:99999"),
        *("kind:png", "kind:image,,png", "x" * (MAX_QUERY_LENGTH + 1), "a " * 33),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadSearch) as error:
        parse_query(text, NOW)
    assert text.partition(":")[0][:20] in str(error.value) or str(error.value).startswith("q has")


def test_a_field_without_a_value_is_a_word() -> None:
    assert parse_query("model: cat", NOW) == (Term("", "model:"), Term("", "cat"))


@pytest.mark.parametrize("text", ["*" * 1000, '"' * 1000, "-" * 1000, "a:" * 500, "size" * 250])
def test_hostile_questions_take_no_time(text: str) -> None:
    def ask() -> None:
        for _ in range(100):
            with suppress(BadSearch):
                for term in parse_query(text, NOW):
                    fts_phrase(term.value, exact=term.whole)

    assert_quick(ask, 1)


def test_unspaced_scripts_become_words_and_come_back() -> None:
    text = "a 女孩 in かわいい 한국 dress, été"
    assert join_cjk(separate_cjk(text)) == text
    assert fts_phrase("女孩", exact=False) == '"女 孩"'
    assert fts_phrase("sunset", exact=False) == '"sunset" *'
    assert fts_phrase("sunset", exact=True) == '"sunset"'
    assert fts_phrase("a", exact=False) == '"a"'
    assert fts_phrase('"; DROP TABLE files --', exact=False) == '"DROP TABLE files" *'
    assert fts_phrase("?!", exact=False) == ""


def test_words_inside_a_name_are_words() -> None:
    assert with_word_parts("DreamShaperXL10_v2") == "DreamShaperXL10_v2 Dream Shaper XL 10_v 2"
    assert with_word_parts("plain") == "plain"
